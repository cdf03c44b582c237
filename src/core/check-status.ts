import type { AccessClaims } from './access-token.ts'
import type { AuthNeeds } from './auth.ts'
import { AuthError } from './errors.ts'

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
