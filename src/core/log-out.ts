import type { AccessClaims } from './access-token.ts'
import { bearerOf } from './access-token.ts'
import type { AuthNeeds } from './auth.ts'
import { checkStatus } from './check-status.ts'
import { AuthError } from './errors.ts'
import type { Caller } from './ports.ts'
import { decodeRefreshToken } from './refresh-token.ts'

/** What a client shows to be signed out by. The refresh token decides where there is one. */
export interface LogOut {
  readonly access: string | undefined
  readonly refresh: string | undefined
  /** Whether a refresh token that ends nothing is refused, for clients that want to be told. */
  readonly strict?: boolean
}

/**
 * Ends the session of the refresh token, whatever its generation, or else of the access token: a phone whose access
 * token has expired must be able to sign out. A refresh token that names no living session of ours is not told so
 * (RFC 7009, 2.2). Once more is fine.
 * @throws AuthError `token_missing` or `invalid_token` when the access token is all there is; `refresh_invalid` with
 * `strict`
 */
export async function logOut(
  needs: AuthNeeds,
  { access, refresh, strict = false }: LogOut,
  caller: Caller,
): Promise<void> {
  if (refresh === undefined) {
    const claims = checkStatus(needs, access)
    await endSession(needs, claims.sid, claims.user_id, caller)
    return
  }
  const claims = decodeRefreshToken(needs.keys, refresh)
  const hasEnded = claims !== undefined && (await endSession(needs, claims.sessionId, claims.userId, caller))
  if (strict && !hasEnded) throw new AuthError('refresh_invalid')
}

/**
 * Ends every session of the user, also those that are being started at this moment; returns how many. Once more is fine.
 * @throws AuthError `invalid_token` when the database does not know the session of the token, `unavailable`
 */
export async function logOutEverywhere(
  needs: AuthNeeds,
  claims: AccessClaims,
  caller: Caller,
): Promise<number> {
  const event = { kind: 'logout_everywhere', caller, userId: claims.user_id, sessionId: claims.sid } as const
  const ended = await needs.sessions.revokeAllFor(bearerOf(claims), 'logout_everywhere', event)
  if (ended === undefined) throw new AuthError('invalid_token')
  needs.revoked.add([claims.sid, ...ended])
  return ended.length
}

/** Ends the session of either token, as a service asks for it. What names no living session is not told so (RFC 7009, 2.2). */
export async function revokeToken(needs: AuthNeeds, token: string, caller: Caller): Promise<void> {
  const refresh = decodeRefreshToken(needs.keys, token)
  if (refresh !== undefined) {
    await endSession(needs, refresh.sessionId, refresh.userId, caller, 'service')
    return
  }
  const claims = needs.accessTokens.verify(token)
  if (claims !== undefined) await endSession(needs, claims.sid, claims.user_id, caller, 'service')
}

async function endSession(
  needs: AuthNeeds,
  sessionId: string,
  userId: number,
  caller: Caller,
  reason?: 'service',
): Promise<boolean> {
  const event = { kind: 'logout', caller, userId, sessionId, reason } as const
  const hasEnded = await needs.sessions.revoke(sessionId, undefined, 'logout', event)
  needs.revoked.add([sessionId])
  return hasEnded
}
