import type { Policy } from './policy.ts'
import { LATE_REPLAYS_BELIEVED, OVERTAKEN_MAX } from './policy.ts'

/** What the verdict needs to know of a session: its row, the clock of the database and whether its user may act. */
export interface SessionState {
  readonly generation: number
  readonly seenGeneration: number
  readonly lateGeneration: number
  readonly lateReplays: number
  readonly floorGeneration: number
  readonly rotates: boolean
  readonly rotatedAt: number
  readonly expiresAt: number
  readonly revokedAt: number | undefined
  /** Digest of the Idempotency-Key that made `generation`. */
  readonly retryKey: Buffer | undefined
  readonly userDisabled: boolean
}

/** What the request brought: the generation its token names and the digest of its Idempotency-Key, if any. */
export interface Presented {
  readonly generation: number
  readonly retryKey: Buffer | undefined
}

export type RotationPolicy = Pick<Policy, 'refreshIdleTtlSeconds' | 'refreshGraceSeconds' | 'refreshReplay'>

/** The closed list of what may come of a refresh. */
export type Verdict =
  | { readonly kind: 'dead'; readonly reason: 'unknown' | 'revoked' | 'expired' | 'disabled' }
  | { readonly kind: 'keep' }
  | { readonly kind: 'healed' }
  | { readonly kind: 'rotate' }
  | { readonly kind: 'replay' }
  | { readonly kind: 'overtaken' }
  | { readonly kind: 'lost_answer'; readonly counted: boolean }
  | { readonly kind: 'theft' }

/**
 * The refresh verdict, rules 1 to 11 in their order with one between 5 and 6; the first that matches wins. Pure: the row, the request,
 * the database's clock (milliseconds since 1970) and the policy are all it knows.
 *
 * A client that lost an answer comes back with the token before the current one; so does a thief. Inside the
 * grace nobody is asked; a request that siblings have overtaken by more than two generations meanwhile, or by a heal,
 * gets no token, but it is no theft either: its tab finds a newer token in the storage. After it, whoever brings the Idempotency-Key that made the current generation made it;
 * and once the current generation's access token has been seen, its holder has no reason to come back with the
 * older one. What remains is believed four generations running.
 */
export function judgeRefresh(
  session: SessionState | undefined,
  presented: Presented,
  now: number,
  policy: RotationPolicy,
): Verdict {
  if (session === undefined) return { kind: 'dead', reason: 'unknown' }
  if (session.revokedAt !== undefined) return { kind: 'dead', reason: 'revoked' }
  if (session.userDisabled) return { kind: 'dead', reason: 'disabled' }
  if (isExpired(session, presented, now, policy)) return { kind: 'dead', reason: 'expired' }

  if (!session.rotates) return { kind: 'keep' }

  const { generation: c } = presented
  const { generation: g } = session
  if (c > g) return { kind: 'healed' }
  if (c === g) return { kind: 'rotate' }

  const graceIsOver = now > session.rotatedAt + policy.refreshGraceSeconds * 1000
  if (!graceIsOver && c >= g - 2 && c >= session.floorGeneration) return { kind: 'replay' }
  if (!graceIsOver && c >= g - OVERTAKEN_MAX) return { kind: 'overtaken' }
  if (policy.refreshReplay === 'strict' || c < g - 1) return { kind: 'theft' }

  if (isSameKey(session.retryKey, presented.retryKey)) return { kind: 'lost_answer', counted: false }
  if (session.seenGeneration >= g) return { kind: 'theft' }
  if (session.lateGeneration === g) return { kind: 'lost_answer', counted: false }
  if (session.lateReplays < LATE_REPLAYS_BELIEVED) return { kind: 'lost_answer', counted: true }
  return { kind: 'theft' }
}

/**
 * Past the absolute end, or, where the session rotates, not refreshed for the idle life. A token ahead of the row
 * proves that it was refreshed since, in commits that the database lost.
 */
function isExpired(
  session: SessionState,
  presented: Presented,
  now: number,
  policy: RotationPolicy,
): boolean {
  if (now >= session.expiresAt) return true
  const mayBeIdle = session.rotates && presented.generation <= session.generation
  return mayBeIdle && now >= session.rotatedAt + policy.refreshIdleTtlSeconds * 1000
}

function isSameKey(stored: Buffer | undefined, presented: Buffer | undefined): boolean {
  return stored !== undefined && presented !== undefined && stored.equals(presented)
}
