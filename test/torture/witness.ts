import type { AuthNeeds } from '../../src/core/auth.ts'
import type { EventKind, SecurityEvent } from '../../src/core/ports.ts'
import type { RefreshOutcome } from '../../src/core/refresh.ts'
import type { PresentedRefreshClaims } from '../../src/core/refresh-token.ts'
import type { Cause, Row } from './memory.ts'
import type { Party } from './server.ts'
import type { World } from './world.ts'

/** What the metrics are told of a refresh. */
export type Counted = Parameters<AuthNeeds['count']>[0]

/** A request as the server met it. */
export interface Met {
  readonly party: Party
  readonly generation: number
  readonly arrivedAt: number
  /** How often the database had fallen back by then. */
  readonly failOvers: number
}

/** A refusal or a revocation, with the row as it was judged. */
export interface Fall {
  readonly met: Met
  readonly code: string
  readonly row: Row
  /** By the database's clock. */
  readonly at: number
}

/**
 * Thief and client use the same generations, the second of them outside the grace. They meet where both are
 * handed one generation; what counts is how many they pass without meeting inside the grace.
 */
export interface DoubleUse {
  /** The generation handed out at the first double use. */
  readonly first: number
  /** The furthest generation that both were handed. */
  reached: number
  /** The same two for the longest stretch without a meeting inside the grace or a loss of commits. */
  stretch: { readonly first: number; readonly failOvers: number } | undefined
  longest: number
}

/** Sees everything that happens inside a model, and keeps what contradicts a promise. */
export interface Witness {
  readonly broken: string[]
  readonly falls: Fall[]
  readonly outcomes: Record<RefreshOutcome | 'overtaken' | 'refused' | 'failed', number>
  readonly events: Partial<Record<EventKind, number>>
  doubleUse: DoubleUse | undefined
  failOvers: number
  /** Requests that arrived inside the grace after somebody else had moved on, and were answered. */
  readonly answeredInGrace: Record<Party, number>
  /** When the client's session was last known to be good, whatever the database has forgotten since. */
  lastRotation: number
  loggedOut: boolean
  /** The furthest that either party was handed. */
  readonly furthest: Record<Party, number>
  committed(before: Row, after: Row, cause: Cause): void
  arrived(name: number, met: Met): void
  recorded(event: SecurityEvent, name: number, row: Row, at: number): void
  answered(
    name: number,
    met: Met,
    outcome: RefreshOutcome,
    refresh: string,
    claims: PresentedRefreshClaims,
  ): void
  counted(name: number, verdict: Counted): void
  /** Told to keep the token and to try again. */
  putOff(name: number, code: 'unavailable' | 'refresh_overtaken', retryAfterSeconds: number | undefined): void
  refused(name: number, met: Met, code: string, row: Row, at: number): void
  failedOver(): void
}

const EVENT_OF: Record<Exclude<RefreshOutcome, 'rotated'>, EventKind> = {
  kept: 'refresh_kept',
  healed: 'refresh_healed',
  replayed: 'refresh_replayed',
  'lost-answer': 'refresh_lost_answer',
}

export function createWitness(world: World): Witness {
  const tokens = new Map<string, string>()
  const rotated = new Set<number>()
  const asked = new Map<number, Met>()
  const told = new Map<number, EventKind[]>()
  const verdicts = new Map<number, Counted>()
  const usedBy = { client: new Set<number>(), thief: new Set<number>() }
  const handedTo = { client: new Set<number>(), thief: new Set<number>() }
  /** The moment after which nothing may be answered any more. */
  let deadSince = Infinity

  const other = (party: Party): Party => (party === 'client' ? 'thief' : 'client')

  const witness: Witness = {
    broken: [],
    falls: [],
    outcomes: {
      rotated: 0,
      replayed: 0,
      'lost-answer': 0,
      healed: 0,
      kept: 0,
      overtaken: 0,
      refused: 0,
      failed: 0,
    },
    events: {},
    doubleUse: undefined,
    failOvers: 0,
    answeredInGrace: { client: 0, thief: 0 },
    lastRotation: world.now,
    loggedOut: false,
    furthest: { client: 0, thief: 0 },

    committed(before, after, cause) {
      if (after.generation < before.generation) witness.broken.push('a generation went back')
      if (before.revokedAt !== undefined) witness.broken.push('a dead session was written to')
      if (cause === 'rotated') {
        if (after.generation !== before.generation + 1)
          witness.broken.push('a rotation left a generation out')
        if (rotated.has(before.generation)) witness.broken.push('a generation had two successors')
        rotated.add(before.generation)
        witness.lastRotation = world.now
      }
    },

    arrived(name, met) {
      asked.set(name, met)
    },

    recorded(event, name, row, at) {
      witness.events[event.kind] = (witness.events[event.kind] ?? 0) + 1
      told.set(name, [...(told.get(name) ?? []), event.kind])
      // These are told by their events, because the connection may be cut before anybody is answered.
      if (event.kind === 'logout') witness.loggedOut = true
      const met = asked.get(name)
      if (event.kind === 'refresh_theft' && met !== undefined) {
        witness.falls.push({ met, code: 'refresh_replayed', row, at })
      }
    },

    answered(name, met, outcome, refresh, claims) {
      witness.outcomes[outcome] += 1
      const { generation } = claims
      const bytes = `${claims.key}:${generation}`
      if ((tokens.get(bytes) ?? refresh) !== refresh) witness.broken.push('two tokens of one generation')
      tokens.set(bytes, refresh)
      if (met.arrivedAt > deadSince) witness.broken.push('a dead session answered')
      if (outcome !== 'rotated' && !told.get(name)?.includes(EVENT_OF[outcome])) {
        witness.broken.push(`no event tells of "${outcome}"`)
      }
      if (verdicts.get(name) !== outcome) witness.broken.push(`the metrics do not count "${outcome}"`)
      if (outcome === 'replayed') witness.answeredInGrace[met.party] += 1
      judgeDoubleUse(met, outcome, generation)
      witness.furthest[met.party] = Math.max(witness.furthest[met.party], generation)
    },

    counted(name, verdict) {
      if (verdicts.has(name)) witness.broken.push('the metrics count a refresh twice')
      verdicts.set(name, verdict)
    },

    putOff(name, code, retryAfterSeconds) {
      const isOvertaken = code === 'refresh_overtaken'
      witness.outcomes[isOvertaken ? 'overtaken' : 'failed'] += 1
      if (!isOvertaken && retryAfterSeconds !== 1) witness.broken.push('a 503 does not say when to try again')
      if (isOvertaken !== (verdicts.get(name) === 'overtaken'))
        witness.broken.push('the metrics do not count what was overtaken')
      if (isOvertaken !== (told.get(name)?.includes('refresh_overtaken') ?? false))
        witness.broken.push('no event tells of what was overtaken')
    },

    refused(name, met, code, row, at) {
      witness.outcomes.refused += 1
      if (verdicts.get(name) !== (code === 'refresh_replayed' ? 'theft' : 'refused'))
        witness.broken.push(`the metrics do not count "${code}"`)
      if (code === 'refresh_replayed') {
        if (row.revokedAt === undefined) witness.broken.push('refused before the revocation was committed')
        if (!told.get(name)?.includes('refresh_theft')) witness.broken.push('no event tells of the theft')
      } else if (!told.get(name)?.includes('refresh_refused'))
        witness.broken.push('no event tells of the refusal')
      if (code === 'refresh_invalid') witness.broken.push('a genuine token was called invalid')
      if (code === 'refresh_replayed' && met.generation >= row.generation) {
        witness.broken.push('a token that was not behind was taken for a theft')
      }
      // A fail-over between judging and refusing may have brought the session back to life.
      if (met.failOvers === witness.failOvers) {
        if (code !== 'refresh_expired' && row.revokedAt === undefined)
          witness.broken.push('a living session was refused')
        deadSince = Math.min(deadSince, world.now)
      }
      if (code !== 'refresh_replayed') witness.falls.push({ met, code, row, at })
      usedBy[met.party].add(met.generation)
    },

    failedOver() {
      witness.failOvers += 1
      rotated.clear()
      // The revocation may be among what was lost.
      deadSince = Infinity
    },
  }

  function judgeDoubleUse(
    { party, generation: used }: Met,
    outcome: RefreshOutcome,
    generation: number,
  ): void {
    const isDouble = usedBy[other(party)].has(used)
    const isMeeting = handedTo[other(party)].has(generation) && !handedTo[party].has(generation)
    usedBy[party].add(used)
    handedTo[party].add(generation)

    if (isDouble && outcome === 'lost-answer') {
      witness.doubleUse ??= { first: generation, reached: generation, stretch: undefined, longest: 0 }
      witness.doubleUse.stretch ??= { first: generation, failOvers: witness.failOvers }
    }
    const { doubleUse } = witness
    if (doubleUse === undefined || !isMeeting) return
    doubleUse.reached = Math.max(doubleUse.reached, generation)
    const { stretch } = doubleUse
    // Whoever is handed by a rotation what the other holds already owes it to commits that were lost.
    if (outcome !== 'lost-answer' || stretch?.failOvers !== witness.failOvers) doubleUse.stretch = undefined
    else doubleUse.longest = Math.max(doubleUse.longest, generation - stretch.first)
  }

  return witness
}
