import type { AccessClaims } from './access-token.ts'
import type { AuthNeeds } from './auth.ts'
import { AuthError } from './errors.ts'
import { nameFaults, refuseFaults, usernameFaults, usernameKey } from './identity.ts'
import type { Account, Caller, Profile } from './ports.ts'

export interface AccountEdit {
  readonly username: string | undefined
  readonly firstName: string | undefined
  readonly lastName: string | undefined
  readonly profile: Profile
  /** PUT replaces the profile as a whole, PATCH only the fields that it names. */
  readonly replaceProfile: boolean
}

/**
 * Changes what an owner may change freely: names and profile. Address and password have verbs of their own.
 * @throws AuthError `validation_failed` with every complaint at once, `invalid_token` when the account is gone
 */
export async function updateAccount(
  needs: AuthNeeds,
  claims: AccessClaims,
  edit: AccountEdit,
  caller: Caller,
): Promise<Account> {
  const found = await needs.changes.find(claims.user_id)
  if (found === undefined || found.account.disabled) throw new AuthError('invalid_token')
  const { account } = found
  const profile = edit.replaceProfile ? edit.profile : { ...account.profile, ...edit.profile }
  refuseFaults({
    username: edit.username === undefined ? [] : usernameFaults(edit.username, account.email),
    first_name: nameFaults(edit.firstName ?? ''),
    last_name: nameFaults(edit.lastName ?? ''),
    ...needs.profiles.faults(profile),
  })

  const username = edit.username?.normalize('NFC')
  const update = {
    username: username === undefined ? undefined : { text: username, key: usernameKey(username) },
    firstName: edit.firstName,
    lastName: edit.lastName,
    profile,
  }
  const updated = await needs.changes.update(account.id, update, caller)
  if (updated === 'username_taken') {
    throw new AuthError('validation_failed', {
      fields: { username: ['A user with that username already exists.'] },
    })
  }
  if (updated === undefined) throw new AuthError('invalid_token')
  return updated
}
