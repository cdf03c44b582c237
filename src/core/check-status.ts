import type { AccessClaims } from './access-token.ts'
import type { AuthNeeds } from './auth.ts'
import { AuthError } from './errors.ts'

/** Often enough that a logout elsewhere is noticed soon, seldom enough for a hundred thousand open pages. */
const CHECK_EVERY_SECONDS = 30
/** Near the end of a token its holder comes twice as often each time, but never more often than this. */
const CHECK_EVERY_LEAST_SECONDS = 5
/** Up to so much sooner or later, so that those who came together do not come together again. */
const CHECK_JITTER = 0.25

/** When whoever polls should ask again about a token that lives so long, in whole seconds. */
export function nextCheckIn(expiresInSeconds: number, random: () => number): number {
  const due = Math.max(CHECK_EVERY_LEAST_SECONDS, Math.min(CHECK_EVERY_SECONDS, expiresInSeconds / 2))
  return Math.ceil(due * (1 + CHECK_JITTER * (2 * random() - 1)))
}

/**
 * Whose access token this is: from the token alone, synchronous, without the database.
 * @throws AuthError `token_missing` when there is none, `invalid_token` for any bad one
 */
export function checkStatus(needs: AuthNeeds, token: string | undefined): AccessClaims {
  if (token === undefined) throw new AuthError('token_missing')
  const claims = needs.accessTokens.verify(token)
  if (claims === undefined) throw new AuthError('invalid_token')
  return claims
}
