import { v7 as uuidV7 } from 'uuid'
import type { MintedTokens } from './access-token.ts'
import type { AuthNeeds } from './auth.ts'
import { AuthError } from './errors.ts'
import type { Policy } from './policy.ts'
import type { Account, Caller, NewSession, Session, SessionView } from './ports.ts'
import type { RefreshToken } from './refresh-token.ts'
import { encodeRefreshToken } from './refresh-token.ts'

/** What a grant is made of. */
export type GrantNeeds = Pick<AuthNeeds, 'policy' | 'keys' | 'accessTokens'>

/** How a session lives; what is left out is the policy's. */
export interface SessionTerms {
  /** Absolute life from the sign-in. */
  readonly ttlSeconds?: number
  /** False for clients that never store a new refresh token. */
  readonly rotates?: boolean
  /** The access token is all that the client keeps: it lives as long as its session. */
  readonly singleToken?: boolean
  /** Audiences that tokens are wanted for beside ours. */
  readonly audiences?: readonly string[]
}

/** What a client is handed: both tokens of a session, their lives in seconds, and whose they are. */
export interface Grant {
  readonly access: string
  readonly expiresIn: number
  /** When the access token expires, seconds since 1970. */
  readonly expiresAt: number
  readonly refresh: RefreshToken
  readonly refreshExpiresIn: number
  readonly account: Account
  readonly sessionId: string
  /** Access tokens for other audiences, in the order in which they were asked for. */
  readonly forAudiences: MintedTokens['forAudiences']
}

/** The tokens of the session at its current generation. */
export function makeGrant(needs: GrantNeeds, view: SessionView, terms: SessionTerms = {}): Grant {
  const { session, account, now } = view
  const { id, generation } = session
  const lifeSeconds = terms.singleToken ? Math.round((session.expiresAt - now) / 1000) : undefined
  const wanted = { otherAudiences: terms.audiences ?? [], lifeSeconds }
  const { token, expiresIn, expiresAt, forAudiences } = needs.accessTokens.mint(
    account,
    id,
    generation,
    wanted,
  )
  return {
    access: token,
    expiresIn,
    expiresAt,
    refresh: encodeRefreshToken(needs.keys, {
      userId: account.id,
      sessionId: session.id,
      generation: session.generation,
    }),
    refreshExpiresIn: Math.max(0, Math.floor((refreshEndsAt(needs.policy, session) - now) / 1000)),
    account,
    sessionId: session.id,
    forAudiences,
  }
}

/** More than any one client talks to. */
const AUDIENCES_MAX = 8

/**
 * Before anything is done for it: a token that cannot be had must not cost a rotation.
 * @throws AuthError `validation_failed` for an audience that has no keys here, or more than anybody needs
 */
export function assertAudiences({ policy }: Pick<GrantNeeds, 'policy'>, asked: readonly string[]): void {
  const known = asked.every((audience) => policy.audiences.includes(audience))
  if (known && asked.length <= AUDIENCES_MAX && new Set(asked).size === asked.length) return
  const names = policy.audiences.join(', ') || 'none'
  const message = known
    ? `Name each audience once, and no more than ${AUDIENCES_MAX}.`
    : `Tokens can be asked for these audiences: ${names}.`
  throw new AuthError('validation_failed', { fields: { audience: [message] } })
}

/** When a refresh token ends that is not used, milliseconds since 1970 by the database's clock. */
export function refreshEndsAt(
  policy: Pick<Policy, 'refreshIdleTtlSeconds'>,
  session: Pick<Session, 'rotates' | 'rotatedAt' | 'expiresAt'>,
): number {
  const idleEnd = session.rotates ? session.rotatedAt + policy.refreshIdleTtlSeconds * 1000 : Infinity
  return Math.min(session.expiresAt, idleEnd)
}

/** A session to be made for the caller, with the lifetime of the policy unless its terms say another. */
export function newSession(
  needs: AuthNeeds,
  userId: number,
  caller: Caller,
  { rotates = true, ttlSeconds = needs.policy.refreshTtlSeconds, singleToken = false }: SessionTerms = {},
): NewSession {
  // Nobody ever refreshes what has one token: by rotation it would be idle, and end before its time.
  return { id: uuidV7(), userId, rotates: rotates && !singleToken, ttlSeconds, caller }
}
