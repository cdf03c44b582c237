import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { chanceOf, mixSeed } from './chance.ts'
import { FAMILIES } from './families.ts'
import type { Ending, FalseLogout } from './judge.ts'
import { endingOf, falseLogoutOf } from './judge.ts'
import type { Ran } from './run.ts'
import { runSchedule } from './run.ts'
import type { Party } from './server.ts'
import type { Witness } from './witness.ts'

export type Finding = Ending | FalseLogout

/** What came of the schedules of one family. */
export interface Tally {
  readonly family: number
  schedules: number
  refreshes: number
  /** Requests that came inside the grace after somebody else had moved on, and were answered. */
  readonly answeredInGrace: Record<Party, number>
  readonly outcomes: Partial<Record<keyof Witness['outcomes'], number>>
  readonly events: Witness['events']
  /** How often each finding was made, and in which schedule first. */
  readonly found: Map<Finding, { times: number; first: number }>
  /** Promises that hold always, broken: each with the schedule to replay. */
  readonly broken: { readonly promise: string; readonly schedule: number }[]
}

/** A part of the work: schedules `from` up to, not including, `to` of one family. */
export interface Part {
  readonly family: number
  readonly seed: number
  readonly from: number
  readonly to: number
}

const PART_MAX = 1000
const WORKERS_MAX = 4

/**
 * Runs the first schedules of every family, as many in all as asked for, on as many threads as there are cores:
 * in threads of their own, because a test runner that watches every promise makes them twice as slow.
 */
export async function runCampaign(seed: number, schedules: number): Promise<readonly Tally[]> {
  const parts = FAMILIES.flatMap(({ share }, family) =>
    cut(family, seed, Math.ceil((schedules * share) / 1000)),
  )
  const done: Tally[] = []
  const work = async () => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      execArgv: ['--import', new URL('../../tools/ts.mjs', import.meta.url).href],
    })
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      worker.postMessage(part)
      const [tally] = await once(worker, 'message')
      done.push(tally)
    }
    await worker.terminate()
  }
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), WORKERS_MAX) }, work))
  return FAMILIES.map((_, family) =>
    merge(
      family,
      done.filter((tally) => tally.family === family),
    ),
  )
}

function cut(family: number, seed: number, schedules: number): Part[] {
  return Array.from({ length: Math.ceil(schedules / PART_MAX) }, (_, n) => ({
    family,
    seed,
    from: n * PART_MAX,
    to: Math.min(schedules, (n + 1) * PART_MAX),
  }))
}

function emptyTally(family: number): Tally {
  return {
    family,
    schedules: 0,
    refreshes: 0,
    answeredInGrace: { client: 0, thief: 0 },
    outcomes: {},
    events: {},
    found: new Map(),
    broken: [],
  }
}

function merge(family: number, tallies: readonly Tally[]): Tally {
  const whole = emptyTally(family)
  for (const tally of tallies) {
    whole.schedules += tally.schedules
    whole.refreshes += tally.refreshes
    addCounts(whole, tally)
    whole.broken.push(...tally.broken)
    for (const [finding, { times, first }] of tally.found) count(whole, finding, times, first)
  }
  whole.broken.sort((one, other) => one.schedule - other.schedule)
  return whole
}

type Counts = Pick<Tally, 'answeredInGrace' | 'outcomes' | 'events'>

function addCounts(sum: Counts, more: Counts): void {
  add(sum.answeredInGrace, more.answeredInGrace)
  add(sum.outcomes, more.outcomes)
  add(sum.events, more.events)
}

function add<K extends string>(sum: Partial<Record<K, number>>, more: Partial<Record<K, number>>): void {
  for (const key of Object.keys(more) as K[]) sum[key] = (sum[key] ?? 0) + (more[key] ?? 0)
}

function count({ found }: Tally, finding: Finding, times: number, first: number): void {
  const known = found.get(finding)
  if (known === undefined) found.set(finding, { times, first })
  else {
    known.times += times
    known.first = Math.min(known.first, first)
  }
}

/** Runs one part. */
export async function runPart({ family, seed, from, to }: Part): Promise<Tally> {
  const tally = emptyTally(family)
  for (let n = from; n < to; n += 1) {
    const { witness, finding } = await replay(family, seed, n, false)
    tally.schedules += 1
    tally.refreshes += Object.values(witness.outcomes).reduce((sum, times) => sum + times, 0)
    addCounts(tally, witness)
    for (const promise of witness.broken) tally.broken.push({ promise, schedule: n })
    if (finding !== undefined) count(tally, finding, 1, n)
  }
  return tally
}

/** One schedule of a family, with a log of all its steps unless that is not wanted. */
export async function replay(
  family: number,
  seed: number,
  n: number,
  keepsLog = true,
): Promise<Ran & { readonly finding: Finding | undefined }> {
  const own = mixSeed(seed, family, n)
  const drawn = FAMILIES[family]
  if (drawn === undefined) throw new Error(`there is no family ${family}`)
  const schedule = drawn.draw(chanceOf(own))
  const ran = await runSchedule(schedule, own, keepsLog)
  const isStrict = schedule.model.replay === 'strict'
  return {
    ...ran,
    finding: schedule.thief === undefined ? falseLogoutOf(ran.witness, isStrict) : endingOf(ran.witness),
  }
}
