import type { Lives, Unread } from './adapter.ts'
import type { Answer, Ask, Party, Tokens } from './server.ts'
import type { World } from './world.ts'

/** How a theft ended, as far as answers can tell. `held on` is what must not be. */
export type TheftEnding = 'caught' | 'held on' | 'never outside the grace' | 'gone before five generations'

/** What can be told of one session from outside: who asked with which token, and what was answered when. */
export interface Ledger {
  readonly refreshes: number
  readonly failOvers: number
  readonly restarts: number
  /** The code of the refusal that ended a session of its client, without logout, expiry or thief. */
  readonly falseLogout: string | undefined
  /** Requests of the client that came inside the grace after a sibling had moved on. */
  readonly delayed: { readonly asked: number; readonly lost: number }
  /** Answers to tokens that had been exchanged before, for certain inside the grace. */
  readonly replays: Readonly<Record<Party, number>>
  /** Those of the thief that came in the moment of a rotation: which of the two was first, no answer tells. */
  readonly crossings: number
  readonly theft: TheftEnding
  signedIn(tokens: Tokens, at: number): void
  answered(ask: Ask, answer: Answer | Unread, at: number): void
  loggedOut(): void
  /** What was committed since that moment may be lost. */
  failedOver(since: number): void
  restarted(): void
}

/** Five generations after a double use outside the grace a thief must hold nothing. */
const GENERATIONS_MAX = 5

/**
 * Knows nothing of the server but its promises. A generation is how many exchanges a token is away from the
 * sign-in; a server that hands out two tokens for one gives both the same.
 */
export function createLedger(world: World, lives: Lives): Ledger {
  const generations = new Map<string, number>()
  const tokensOf = new Map<number, Set<string>>()
  const usedBy = { client: new Set<string>(), thief: new Set<string>() }
  const handedTo = { client: new Set<number>(), thief: new Set<number>() }
  /** When each token was exchanged. */
  const exchanged = new Map<string, number>()
  let signedInAt = 0
  /** The first request with each token that got no answer: it may have been the exchange all the same. */
  const unanswered = new Map<string, number>()
  /** When the last exchange was, at the latest and at the earliest. */
  let lastRotation = 0
  let earliestRotation = 0
  let isLoggedOut = false
  let refused: string | undefined
  let [refreshes, failOvers, restarts, lost, crossings] = [0, 0, 0, 0, 0]
  const replays = { client: 0, thief: 0 }
  /** Since a double use outside the grace: the generation it was at, and how far both got since. */
  let stretch: { readonly first: number; readonly failOvers: number } | undefined
  let isDoublyUsed = false
  let longest = 0

  const other = (party: Party): Party => (party === 'client' ? 'thief' : 'client')
  const isSurelyInGrace = (at: number) => at <= earliestRotation + lives.graceSeconds * 1000
  const isSurelyLate = (at: number) => at > lastRotation + lives.graceSeconds * 1000

  function generationOf(token: string, before: string): number {
    const generation = generations.get(token) ?? (generations.get(before) ?? 0) + 1
    generations.set(token, generation)
    const siblings = tokensOf.get(generation) ?? new Set()
    tokensOf.set(generation, siblings.add(token))
    return generation
  }

  /** By its lives, counted from what was really answered; what a fail-over lost may have been a rotation. */
  function isOver(at: number): boolean {
    const slack = 5000 * (1 + failOvers)
    return (
      at + slack >= signedInAt + lives.ttlSeconds * 1000 ||
      at + slack >= lastRotation + lives.idleTtlSeconds * 1000
    )
  }

  function judgeDoubleUse(party: Party, refresh: string, generation: number, at: number): void {
    const isDouble = usedBy[other(party)].has(refresh)
    const isLate = isDouble && isSurelyLate(at)
    const isMeeting = handedTo[other(party)].has(generation) && !handedTo[party].has(generation)
    handedTo[party].add(generation)
    if (isLate) {
      isDoublyUsed = true
      stretch ??= { first: generation, failOvers }
    }
    if (stretch === undefined || !isMeeting) return
    const isForked = (tokensOf.get(generation)?.size ?? 0) > 1
    // Whoever meets the other inside the grace, or by commits that were lost, begins anew: that is not promised.
    if ((!isLate && !isForked) || stretch.failOvers !== failOvers) stretch = undefined
    else longest = Math.max(longest, generation - stretch.first)
  }

  function granted({ party, refresh }: Ask, next: string | undefined, at: number): void {
    const isRepeated = exchanged.has(refresh)
    if (isRepeated && isSurelyInGrace(at)) {
      replays[party] += 1
      if (party === 'thief' && lastRotation === at) crossings += 1
    }
    const generation = next === undefined ? (generations.get(refresh) ?? 0) + 1 : generationOf(next, refresh)
    judgeDoubleUse(party, refresh, generation, at)
    usedBy[party].add(refresh)
    if (!isRepeated) {
      exchanged.set(refresh, at)
      lastRotation = at
      earliestRotation = unanswered.get(refresh) ?? at
    }
    world.note(() => `  the ${party} gets generation ${generation}`)
  }

  function refusedWith({ party, refresh }: Ask, code: string, at: number): void {
    world.note(() => `  ${code}: the ${party} had generation ${generations.get(refresh)}`)
    usedBy[party].add(refresh)
    if (isLoggedOut || refused !== undefined || isOver(at)) return
    refused = code
    if (party !== 'client' || !exchanged.has(refresh) || !isSurelyInGrace(at)) return
    lost += 1
  }

  return {
    get refreshes() {
      return refreshes
    },
    get failOvers() {
      return failOvers
    },
    get restarts() {
      return restarts
    },
    get falseLogout() {
      return refused
    },
    get delayed() {
      return { asked: replays.client + lost, lost }
    },
    replays,
    get crossings() {
      return crossings
    },
    get theft() {
      if (longest >= GENERATIONS_MAX) return 'held on'
      if (refused !== undefined) return 'caught'
      return isDoublyUsed ? 'gone before five generations' : 'never outside the grace'
    },
    signedIn(tokens, at) {
      generations.set(tokens.refresh, 0)
      tokensOf.set(0, new Set([tokens.refresh]))
      signedInAt = at
      lastRotation = at
      earliestRotation = at
    },
    answered(ask, answer, at) {
      refreshes += 1
      if (answer.kind === 'tokens') granted(ask, answer.refresh, at)
      else if (answer.kind === 'refused') refusedWith(ask, answer.code, at)
      else if (answer.kind === 'unread' && answer.isGranted) granted(ask, undefined, at)
      else if (answer.kind === 'failed' && !unanswered.has(ask.refresh)) unanswered.set(ask.refresh, at)
    },
    loggedOut() {
      isLoggedOut = true
    },
    failedOver(since) {
      failOvers += 1
      for (const [token, at] of exchanged) if (at >= since) exchanged.delete(token)
    },
    restarted() {
      restarts += 1
    },
  }
}
