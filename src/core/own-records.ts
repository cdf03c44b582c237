import { validate as isUuid } from 'uuid'
import type { AccessClaims } from './access-token.ts'
import { bearerOf } from './access-token.ts'
import type { AuthNeeds } from './auth.ts'
import type { OwnEvent, OwnSession } from './change-ports.ts'
import { AuthError } from './errors.ts'
import type { Caller } from './ports.ts'

export const EVENTS_PER_PAGE_MAX = 100
/** More than anybody reads; whoever has more can end them all. */
const SESSIONS_LISTED = 100

/**
 * The sessions that live, the one used last first.
 * @throws AuthError `invalid_token` when the session of the token is gone
 */
export async function listSessions(needs: AuthNeeds, claims: AccessClaims): Promise<OwnSession[]> {
  const { refreshIdleTtlSeconds } = needs.policy
  return known(await needs.records.sessionsFor(bearerOf(claims), refreshIdleTtlSeconds, SESSIONS_LISTED))
}

/** What the database says to a bearer whose session it knows. */
function known<T>(answer: T | undefined): T {
  if (answer === undefined) throw new AuthError('invalid_token')
  return answer
}

/**
 * Ends one of one's own sessions.
 * @throws AuthError `not_found` for a session that is somebody else's, has ended, or never was: which, is not told;
 * `invalid_token` when the session of the token is gone
 */
export async function endOwnSession(
  needs: AuthNeeds,
  claims: AccessClaims,
  sessionId: string,
  caller: Caller,
): Promise<void> {
  // Asked for first: what is no id at all would fail the statement that it shares with others.
  if (!isUuid(sessionId)) throw new AuthError('not_found')
  const id = sessionId.toLowerCase()
  if (!known(await needs.records.hasSession(bearerOf(claims), id))) throw new AuthError('not_found')
  const event = { kind: 'logout', caller, userId: claims.user_id, sessionId: id } as const
  if (!(await needs.sessions.revoke(id, undefined, 'logout', event))) throw new AuthError('not_found')
  needs.revoked.add([id])
}

export interface EventPage {
  readonly events: readonly OwnEvent[]
  readonly isLast: boolean
}

/**
 * One's own security events, newest first; `before` is the id of the last one of the page before.
 * @throws AuthError `invalid_token` when the session of the token is gone
 */
export async function listEvents(
  needs: AuthNeeds,
  claims: AccessClaims,
  page: { readonly before: string | undefined; readonly most: number },
): Promise<EventPage> {
  const most = Math.min(page.most, EVENTS_PER_PAGE_MAX)
  const events = known(await needs.records.eventsFor(bearerOf(claims), page.before, most + 1))
  return { events: events.slice(0, most), isLast: events.length <= most }
}
