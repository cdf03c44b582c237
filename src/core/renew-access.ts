import type { AccessClaims } from './access-token.ts'
import type { AuthNeeds } from './auth.ts'
import { AuthError } from './errors.ts'
import type { Grant } from './grant.ts'
import { makeGrant } from './grant.ts'
import type { SessionView } from './ports.ts'
import { decodeRefreshToken } from './refresh-token.ts'
import { judgeRefresh } from './rotation.ts'

/**
 * Fresh tokens for the bearer of an access token, for as long as its session lives: for clients that live from one
 * question to the next. One statement. So a stolen access token lives as long as the session, wherever this is said.
 * @throws AuthError `invalid_token` when the session is over, `unavailable`
 */
export async function renewAccess(needs: AuthNeeds, claims: AccessClaims): Promise<Grant> {
  const view = await needs.sessions.find(claims.sid)
  if (view === undefined || !isAlive(needs, view, view.session.generation)) {
    throw new AuthError('invalid_token')
  }
  return makeGrant(needs, view)
}

/**
 * Whether a token of either kind is still good, and no more than that. It changes nothing.
 * @throws AuthError `refresh_invalid` for whatever is not
 */
export async function confirmToken(needs: AuthNeeds, token: string): Promise<void> {
  if (needs.accessTokens.verify(token) !== undefined) return
  const claims = decodeRefreshToken(needs.keys, token)
  const view = claims && (await needs.sessions.find(claims.sessionId))
  if (claims === undefined || view === undefined || !isAlive(needs, view, claims.generation)) {
    throw new AuthError('refresh_invalid')
  }
}

function isAlive(needs: AuthNeeds, view: SessionView, generation: number): boolean {
  const state = { ...view.session, userDisabled: view.account.disabled }
  const verdict = judgeRefresh(state, { generation, retryKey: undefined }, view.now, needs.policy)
  return !['dead', 'theft', 'overtaken'].includes(verdict.kind)
}
