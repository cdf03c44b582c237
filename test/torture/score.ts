import type { RecordedReplays } from './adapter.ts'
import { FAMILIES, KEYED, KEYLESS, LOSSY, ROBBED } from './families.ts'
import type { Family } from './kinds.ts'
import type { Ledger, TheftEnding } from './ledger.ts'
import type { Trial } from './trial.ts'

/** What came of the schedules of one family. */
export interface FamilyScore {
  schedules: number
  refreshes: number
  falseLogouts: number
  /** Schedules in which the database lost commits, or a process died, and the false logouts among them. */
  readonly failOvers: { schedules: number; falseLogouts: number }
  readonly restarts: { schedules: number; falseLogouts: number }
  readonly delayed: { asked: number; lost: number }
  readonly replays: { answered: number; recorded: number | undefined; missing: number }
  readonly thefts: Partial<Record<TheftEnding, number>>
}

export interface Score {
  readonly families: ReadonlyMap<number, FamilyScore>
  /** Whatever must not be, as `--replay` wants it: family and number of the schedule. */
  readonly findings: readonly { readonly what: string; readonly replay: string }[]
  readonly refreshes: number
  readonly schedules: number
  add(trial: Trial): void
}

const HONEST = [KEYED, KEYLESS, ...LOSSY]

export function createScore(): Score {
  const families = new Map<number, FamilyScore>()
  const findings: { what: string; replay: string }[] = []
  let refreshes = 0
  let schedules = 0

  function addHonest(score: FamilyScore, { ledger }: Trial): string | undefined {
    const isFalse = ledger.falseLogout !== undefined ? 1 : 0
    score.falseLogouts += isFalse
    score.delayed.asked += ledger.delayed.asked
    score.delayed.lost += ledger.delayed.lost
    for (const [fault, times] of [
      [score.failOvers, ledger.failOvers],
      [score.restarts, ledger.restarts],
    ] as const) {
      if (times === 0) continue
      fault.schedules += 1
      fault.falseLogouts += isFalse
    }
    return ledger.falseLogout && `false logout: ${ledger.falseLogout}`
  }

  function addTheft(score: FamilyScore, { ledger, recordedReplays }: Trial): string | undefined {
    const { theft, replays } = ledger
    score.thefts[theft] = (score.thefts[theft] ?? 0) + 1
    score.replays.answered += replays.thief
    const missing = recordedReplays === undefined ? 0 : unrecorded(ledger, recordedReplays)
    score.replays.missing += missing
    if (recordedReplays !== undefined)
      score.replays.recorded = (score.replays.recorded ?? 0) + replays.thief - missing
    if (theft === 'held on') return 'a thief held on'
    return missing > 0 ? 'a replay inside the grace left no event' : undefined
  }

  return {
    families,
    findings,
    get refreshes() {
      return refreshes
    },
    get schedules() {
      return schedules
    },
    add(trial) {
      const score = families.get(trial.family) ?? emptyScore()
      families.set(trial.family, score)
      schedules += 1
      refreshes += trial.ledger.refreshes
      score.schedules += 1
      score.refreshes += trial.ledger.refreshes
      const what = trial.schedule.thief === undefined ? addHonest(score, trial) : addTheft(score, trial)
      if (what !== undefined) findings.push({ what, replay: `${trial.family}:${trial.n}` })
    },
  }
}

/**
 * Replays of the thief without an event. Where both asked in one moment the server may have taken the client for the
 * second, or the thief for the first and late: what both did is then held against all that is recorded of either.
 */
function unrecorded({ replays, crossings }: Ledger, recorded: RecordedReplays): number {
  const ofThief = replays.thief - recorded.thief
  const ofBoth = replays.thief + replays.client - recorded.thief - recorded.client - recorded.late
  return Math.max(0, ofThief - crossings, Math.min(ofThief, ofBoth))
}

function emptyScore(): FamilyScore {
  return {
    schedules: 0,
    refreshes: 0,
    falseLogouts: 0,
    failOvers: { schedules: 0, falseLogouts: 0 },
    restarts: { schedules: 0, falseLogouts: 0 },
    delayed: { asked: 0, lost: 0 },
    replays: { answered: 0, recorded: undefined, missing: 0 },
    thefts: {},
  }
}

/** A row of the table: `isReached` is undefined where nothing is promised, or nothing was tried. */
export interface Row {
  readonly what: string
  readonly mustReach: string
  readonly reached: string
  readonly of: string
  readonly isReached: boolean | undefined
}

/** The rows of the table "Torture" of what Keyturn must reach. */
export function rowsOf(score: Score): Row[] {
  const of = (family: Family) => score.families.get(FAMILIES.indexOf(family)) ?? emptyScore()
  const sum = (families: readonly Family[], count: (score: FamilyScore) => number) =>
    families.reduce((total, family) => total + count(of(family)), 0)
  const logouts = (what: string, family: Family, isGate: boolean): Row => ({
    what,
    mustReach: isGate ? '0' : 'no gate',
    reached: number(of(family).falseLogouts),
    of: `${number(of(family).refreshes)} refreshes`,
    isReached: isGate ? of(family).falseLogouts === 0 : undefined,
  })
  const faulty = (what: string, fault: 'failOvers' | 'restarts'): Row => {
    const tried = sum([KEYED, KEYLESS], (score) => score[fault].schedules)
    const lost = sum([KEYED, KEYLESS], (score) => score[fault].falseLogouts)
    return {
      what,
      mustReach: '0',
      reached: tried === 0 ? 'not offered' : number(lost),
      of: `${number(tried)} sessions`,
      isReached: tried === 0 ? undefined : lost === 0,
    }
  }
  const lost = sum(HONEST, ({ delayed }) => delayed.lost)
  const heldOn = sum(ROBBED, ({ thefts }) => thefts['held on'] ?? 0)
  const replays = sum(ROBBED, ({ replays }) => replays.answered)
  const recorded = ROBBED.map((family) => of(family).replays.recorded).filter((count) => count !== undefined)
  const isTold = recorded.length > 0

  return [
    logouts('false logouts, Idempotency-Key kept until it is answered, 0 to 40 % lost', KEYED, true),
    logouts('false logouts without the key, 0 to 5 % lost', KEYLESS, true),
    ...LOSSY.map((family) =>
      logouts(`false logouts ${family.name.replace(/, loss/, ',')} lost`, family, false),
    ),
    {
      what: 'sessions lost by a request that came inside the grace after a sibling tab had moved on',
      mustReach: '0',
      reached: number(lost),
      of: `${number(sum(HONEST, ({ delayed }) => delayed.asked))} such requests`,
      isReached: lost === 0,
    },
    {
      what: 'thieves who hold a live session 5 generations after the first double use outside the grace',
      mustReach: '0',
      reached: number(heldOn),
      of: `${number(sum(ROBBED, ({ schedules }) => schedules))} thieves, ${number(sum(ROBBED, ({ thefts }) => thefts.caught ?? 0))} caught`,
      isReached: heldOn === 0,
    },
    {
      what: 'replays of thieves inside the grace that left no event',
      mustReach: '0',
      reached: isTold ? number(sum(ROBBED, ({ replays }) => replays.missing)) : 'not offered',
      of: `${number(replays)} replays`,
      isReached: isTold ? sum(ROBBED, ({ replays }) => replays.missing) === 0 : undefined,
    },
    faulty('false logouts where the database lost its last commits', 'failOvers'),
    faulty('false logouts where a process was killed in the middle', 'restarts'),
  ]
}

/** As Markdown. */
export function tableOf(rows: readonly Row[]): string {
  const verdict = ({ isReached }: Row) => (isReached === false ? ' **missed**' : '')
  return [
    '| what | must reach | reached | of |',
    '|---|---|---|---|',
    ...rows.map((row) => `| ${row.what} | ${row.mustReach} | ${row.reached}${verdict(row)} | ${row.of} |`),
  ].join('\n')
}

const number = (count: number) => count.toLocaleString('en')
