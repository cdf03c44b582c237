import type { AccessClaims } from './access-token.ts'
import type { AuthNeeds } from './auth.ts'
import type { Caller } from './ports.ts'
import { decodeRefreshToken } from './refresh-token.ts'

/** Ends the session of the access token. Once more is fine: the session stays ended. */
export async function logOut(needs: AuthNeeds, claims: AccessClaims, caller: Caller): Promise<void> {
  await endSession(needs, claims.sid, claims.user_id, caller)
}

/**
 * Ends the session that a refresh token belongs to, whatever its generation: a phone whose access token has
 * expired must be able to sign out. A token that is not ours ends nothing and is not told so (RFC 7009, 2.2).
 */
export async function logOutByRefresh(needs: AuthNeeds, token: string, caller: Caller): Promise<void> {
  const claims = decodeRefreshToken(needs.keys, token)
  if (claims !== undefined) await endSession(needs, claims.sessionId, claims.userId, caller)
}

/** Ends every session of the user, also those that are being started at this moment; returns how many. */
export async function logOutEverywhere(
  needs: AuthNeeds,
  claims: AccessClaims,
  caller: Caller,
): Promise<number> {
  const event = { kind: 'logout_everywhere', caller, userId: claims.user_id, sessionId: claims.sid } as const
  const ended = await needs.sessions.revokeAll(claims.user_id, 'logout_everywhere', event)
  needs.revoked.add([claims.sid, ...ended])
  return ended.length
}

async function endSession(
  needs: AuthNeeds,
  sessionId: string,
  userId: number,
  caller: Caller,
): Promise<void> {
  await needs.sessions.revoke(sessionId, undefined, 'logout', { kind: 'logout', caller, userId, sessionId })
  needs.revoked.add([sessionId])
}
