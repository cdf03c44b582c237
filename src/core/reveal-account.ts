import type { AuthNeeds } from './auth.ts'
import { AuthError } from './errors.ts'
import { emailKey, usernameKey } from './identity.ts'
import type { Account } from './ports.ts'

/**
 * The account of a name or an address, for whoever asks. It tells strangers who has an account: only ways of saying
 * whose operator has asked for that may call it.
 * @throws AuthError `not_found`
 */
export async function revealAccount(
  needs: AuthNeeds,
  who: { readonly username: string } | { readonly email: string },
): Promise<Account> {
  const identifier =
    'username' in who ? { usernameKey: usernameKey(who.username) } : { emailKey: emailKey(who.email) }
  const account = await needs.accounts.lookUp(identifier)
  if (account === undefined) throw new AuthError('not_found')
  return account
}
