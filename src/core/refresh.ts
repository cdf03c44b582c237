import type { AuthNeeds } from './auth.ts'
import type { AuthErrorCode } from './errors.ts'
import { AuthError } from './errors.ts'
import { VERDICT_EVENTS } from './events.ts'
import type { Grant, GrantNeeds } from './grant.ts'
import { assertAudiences, makeGrant } from './grant.ts'
import type { Caller, LimitState, RetryKey, SessionView } from './ports.ts'
import type { PresentedRefreshClaims } from './refresh-token.ts'
import { decodeRefreshToken } from './refresh-token.ts'
import type { Verdict } from './rotation.ts'
import { judgeRefresh } from './rotation.ts'
import type { ServerKeys } from './server-keys.ts'

/** How a refresh came to its answer; the header `Keyturn-Refresh` says it in the same words. */
export type RefreshOutcome = 'rotated' | 'replayed' | 'lost-answer' | 'healed' | 'kept'

export interface Refreshed extends Grant {
  readonly outcome: RefreshOutcome
  /** What is left of the refreshes of this session. */
  readonly limit: LimitState | undefined
}

/** What refreshing needs of the world. */
export type RefreshNeeds = GrantNeeds &
  Pick<AuthNeeds, 'sessions' | 'events' | 'revoked' | 'refreshLimit' | 'outbox' | 'count'>

export interface RefreshRequest {
  readonly token: string
  /** RFC draft-ietf-httpapi-idempotency-key-header: 16 to 128 characters, one per refresh. */
  readonly idempotencyKey: string | undefined
  /** Those that tokens are wanted for beside our own. */
  readonly audiences?: readonly string[]
}

/** Lost races are judged again; more than this in a row is no race but a defect. */
const ROUNDS_MAX = 8
const RETRY_DIGEST_BYTES = 16

/**
 * Exchanges a refresh token for the tokens of the next generation; an honest client whose answer was lost gets
 * it again, a thief ends the session. The common path is the one statement of `sessions.rotate`.
 * @throws AuthError `validation_failed`, `refresh_invalid`, `refresh_expired`, `session_revoked`, `refresh_replayed`,
 * `refresh_overtaken`, `rate_limited`, `unavailable`
 */
export async function refresh(
  needs: RefreshNeeds,
  request: RefreshRequest,
  caller: Caller,
): Promise<Refreshed> {
  const { audiences = [] } = request
  assertAudiences(needs, audiences)
  const claims = decodeRefreshToken(needs.keys, request.token)
  if (claims === undefined) throw new AuthError('refresh_invalid')
  const limit = needs.refreshLimit.take(claims.sessionId)
  return { ...(await exchange(needs, request, claims, caller, audiences)), limit }
}

type Exchanged = Omit<Refreshed, 'limit'>

async function exchange(
  needs: RefreshNeeds,
  request: RefreshRequest,
  claims: PresentedRefreshClaims,
  caller: Caller,
  audiences: readonly string[],
): Promise<Exchanged> {
  const key = retryKeyOf(needs.keys, claims, request.idempotencyKey)
  let healed = false
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const rotation = { sessionId: claims.sessionId, generation: claims.generation, key }
    const rotated = await (round === 0
      ? needs.sessions.rotate(rotation)
      : needs.sessions.rotateAlone(rotation))
    if (rotated !== undefined) return answer(needs, rotated, healed ? 'healed' : 'rotated', audiences)

    const view = await needs.sessions.find(claims.sessionId)
    const presented = { generation: claims.generation, retryKey: key?.digest }
    const verdict = judgeRefresh(view && stateOf(view), presented, view?.now ?? 0, needs.policy)
    const step = await act(needs, verdict, view, claims, caller, audiences)
    if (step === 'healed') healed = true
    else if (step !== 'again') return step
  }
  throw new AuthError('unavailable', { retryAfterSeconds: 1 })
}

/** Does what the verdict says, commits it, and only then refuses: a throw inside would undo the revocation. */
async function act(
  needs: RefreshNeeds,
  verdict: Verdict,
  view: SessionView | undefined,
  claims: PresentedRefreshClaims,
  caller: Caller,
  audiences: readonly string[],
): Promise<Exchanged | 'again' | 'healed'> {
  if (verdict.kind === 'dead') return refuseDead(needs, verdict.reason, claims, caller)
  if (view === undefined) throw new Error('only a dead session can be without a row')
  const { sessionId } = claims
  const { generation } = view.session
  if (verdict.kind === 'rotate') return 'again'
  const event = { kind: VERDICT_EVENTS[verdict.kind], caller, userId: view.account.id, sessionId }

  switch (verdict.kind) {
    case 'keep':
      await needs.events.record(event)
      return answer(needs, view, 'kept', audiences)
    case 'healed':
      return (await needs.sessions.heal(sessionId, generation, claims.generation, caller))
        ? 'healed'
        : 'again'
    case 'replay':
      await needs.events.record(event)
      return answer(needs, view, 'replayed', audiences)
    case 'overtaken':
      await needs.events.record(event)
      needs.count('overtaken')
      throw new AuthError('refresh_overtaken')
    case 'lost_answer':
      if (!verdict.counted) await needs.events.record(event)
      else if (!(await needs.sessions.countLateReplay(sessionId, generation, caller))) return 'again'
      return answer(needs, view, 'lost-answer', audiences)
    case 'theft': {
      if (!(await needs.sessions.revoke(sessionId, generation, 'theft', event))) return 'again'
      needs.revoked.add([sessionId])
      needs.outbox.wake()
      needs.count('theft')
      throw new AuthError('refresh_replayed')
    }
    default:
      return verdict satisfies never
  }
}

function answer(
  needs: RefreshNeeds,
  view: SessionView,
  outcome: RefreshOutcome,
  audiences: readonly string[],
): Exchanged {
  needs.count(outcome)
  return { ...makeGrant(needs, view, { audiences }), outcome }
}

const DEAD_CODES = {
  unknown: 'refresh_invalid',
  revoked: 'session_revoked',
  disabled: 'session_revoked',
  expired: 'refresh_expired',
} as const satisfies Record<string, AuthErrorCode>

async function refuseDead(
  needs: RefreshNeeds,
  reason: keyof typeof DEAD_CODES,
  claims: PresentedRefreshClaims,
  caller: Caller,
): Promise<never> {
  const { sessionId, userId } = claims
  await needs.events.record({ kind: VERDICT_EVENTS.dead, caller, userId, sessionId, reason })
  needs.count('refused')
  throw new AuthError(DEAD_CODES[reason])
}

function stateOf(view: SessionView) {
  return { ...view.session, userDisabled: view.account.disabled }
}

/**
 * Digests of the Idempotency-Key, bound to session and generation under the key that made the presented token,
 * so that a retry finds the same digest also after the server secrets have rotated. A key that is used for one
 * generation after another counts as none: whoever copied the token may have copied it too.
 */
function retryKeyOf(
  keys: ServerKeys,
  claims: PresentedRefreshClaims,
  idempotencyKey: string | undefined,
): RetryKey | undefined {
  if (idempotencyKey === undefined) return undefined
  if (!/^[\x21-\x7e]{16,128}$/.test(idempotencyKey)) {
    const message = 'Send 16 to 128 printable ASCII characters without spaces, new for every refresh.'
    throw new AuthError('validation_failed', { fields: { 'Idempotency-Key': [message] } })
  }
  const message = (use: 'fresh' | 'reused', generation: number) =>
    `${use}:${claims.sessionId}:${generation}:${idempotencyKey}`
  const digest = (use: 'fresh' | 'reused') =>
    keys.mac('idempotency', claims.key, message(use, claims.generation), RETRY_DIGEST_BYTES)
  // The generation before may have been made under a secret that has stopped signing since.
  const previous = (['fresh', 'reused'] as const).flatMap((use) =>
    keys.macWithEach('idempotency', message(use, claims.generation - 1), RETRY_DIGEST_BYTES),
  )
  return {
    digest: digest('fresh'),
    reusedDigest: digest('reused'),
    previousDigests: previous,
  }
}
