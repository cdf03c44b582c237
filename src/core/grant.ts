import { v7 as uuidV7 } from 'uuid'
import type { AuthNeeds } from './auth.ts'
import type { Account, Caller, NewSession, SessionView } from './ports.ts'
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
}

/** The tokens of the session at its current generation. */
export function makeGrant(needs: GrantNeeds, view: SessionView, terms: SessionTerms = {}): Grant {
  const { session, account, now } = view
  const lifeSeconds = terms.singleToken ? Math.round((session.expiresAt - now) / 1000) : undefined
  const { token, expiresIn, expiresAt } = needs.accessTokens.mint(
    account,
    session.id,
    session.generation,
    lifeSeconds,
  )
  const idleEnd = session.rotates ? session.rotatedAt + needs.policy.refreshIdleTtlSeconds * 1000 : Infinity
  return {
    access: token,
    expiresIn,
    expiresAt,
    refresh: encodeRefreshToken(needs.keys, {
      userId: account.id,
      sessionId: session.id,
      generation: session.generation,
    }),
    refreshExpiresIn: Math.max(0, Math.floor((Math.min(session.expiresAt, idleEnd) - now) / 1000)),
    account,
    sessionId: session.id,
  }
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
