import type { AccessClaims } from './access-token.ts'
import type { AuthNeeds } from './auth.ts'
import type { OwnEvent, OwnSession } from './change-ports.ts'
import { AuthError } from './errors.ts'
import type { Caller } from './ports.ts'

export const EVENTS_PER_PAGE_MAX = 100

/** The sessions that live, the one used last first. */
export function listSessions(needs: AuthNeeds, claims: AccessClaims): Promise<OwnSession[]> {
  return needs.records.sessions(claims.user_id, needs.policy.refreshIdleTtlSeconds)
}

/**
 * Ends one of one's own sessions.
 * @throws AuthError `not_found` for a session that is somebody else's, has ended, or never was: which, is not told
 */
export async function endOwnSession(
  needs: AuthNeeds,
  claims: AccessClaims,
  sessionId: string,
  caller: Caller,
): Promise<void> {
  const own = await listSessions(needs, claims)
  if (!own.some(({ id }) => id === sessionId)) throw new AuthError('not_found')
  const event = { kind: 'logout', caller, userId: claims.user_id, sessionId } as const
  await needs.sessions.revoke(sessionId, undefined, 'logout', event)
  needs.revoked.add([sessionId])
}

/** One's own security events, newest first; `before` is the id of the last one of the page before. */
export function listEvents(
  needs: AuthNeeds,
  claims: AccessClaims,
  page: { readonly before: string | undefined; readonly most: number },
): Promise<OwnEvent[]> {
  return needs.records.events(claims.user_id, page.before, Math.min(page.most, EVENTS_PER_PAGE_MAX))
}
