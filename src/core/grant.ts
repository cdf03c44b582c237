import { v7 as uuidV7 } from 'uuid'
import type { AuthNeeds } from './auth.ts'
import type { Policy } from './policy.ts'
import type { Account, Caller, NewSession, Session, SessionView } from './ports.ts'
import type { RefreshToken } from './refresh-token.ts'
import { encodeRefreshToken } from './refresh-token.ts'

/** What a grant is made of. */
export type GrantNeeds = Pick<AuthNeeds, 'policy' | 'keys' | 'accessTokens'>

/** What a client is handed: both tokens of a session, their lives in seconds, and whose they are. */
export interface Grant {
  readonly access: string
  readonly expiresIn: number
  readonly refresh: RefreshToken
  readonly refreshExpiresIn: number
  readonly account: Account
  readonly sessionId: string
}

/** The tokens of the session at its current generation. */
export function makeGrant(needs: GrantNeeds, view: SessionView): Grant {
  const { session, account, now } = view
  const { token, expiresIn } = needs.accessTokens.mint(account, session.id, session.generation)
  return {
    access: token,
    expiresIn,
    refresh: encodeRefreshToken(needs.keys, {
      userId: account.id,
      sessionId: session.id,
      generation: session.generation,
    }),
    refreshExpiresIn: Math.max(0, Math.floor((refreshEndsAt(needs.policy, session) - now) / 1000)),
    account,
    sessionId: session.id,
  }
}

/** When a refresh token ends that is not used, milliseconds since 1970 by the database's clock. */
export function refreshEndsAt(
  policy: Pick<Policy, 'refreshIdleTtlSeconds'>,
  session: Pick<Session, 'rotates' | 'rotatedAt' | 'expiresAt'>,
): number {
  const idleEnd = session.rotates ? session.rotatedAt + policy.refreshIdleTtlSeconds * 1000 : Infinity
  return Math.min(session.expiresAt, idleEnd)
}

/** A session to be made for the caller, with the lifetime of the policy. */
export function newSession(needs: AuthNeeds, userId: number, caller: Caller): NewSession {
  return { id: uuidV7(), userId, rotates: true, ttlSeconds: needs.policy.refreshTtlSeconds, caller }
}
