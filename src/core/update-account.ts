import type { AccessClaims } from './access-token.ts'
import { bearerOf } from './access-token.ts'
import type { AuthNeeds } from './auth.ts'
import type { AccountUpdate } from './change-ports.ts'
import { AuthError } from './errors.ts'
import { claimedKey, keptForm, nameFaults, refuseFaults, usernameFaults } from './identity.ts'
import type { Account, Caller, Profile } from './ports.ts'
import type { ProfileRules } from './profile.ts'

export interface AccountEdit {
  readonly username: string | undefined
  readonly firstName: string | undefined
  readonly lastName: string | undefined
  readonly profile: Profile
  /** PUT replaces the profile as a whole, PATCH only the fields that it names. */
  readonly replaceProfile: boolean
}

/** Others who change the profile at once are waited for; more than this in a row is no race but a defect. */
const ROUNDS_MAX = 8

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
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const found = await needs.changes.findFor(bearerOf(claims))
    if (found === undefined || found.account.disabled) throw new AuthError('invalid_token')
    const update = judgeEdit(needs.profiles, found.account, edit)
    if (update === undefined) return found.account
    const updated = await needs.changes.update(bearerOf(claims), update, caller)
    if (updated === undefined) throw new AuthError('invalid_token')
    if (updated === 'username_taken') {
      throw new AuthError('validation_failed', {
        fields: { username: ['A user with that username already exists.'] },
      })
    }
    if (updated !== 'overtaken') return updated
  }
  throw new AuthError('unavailable', { retryAfterSeconds: 1 })
}

/** What the edit changes in the account; `undefined` where that is nothing. */
function judgeEdit(rules: ProfileRules, account: Account, edit: AccountEdit): AccountUpdate | undefined {
  const fields = rules.normalize(edit.profile)
  const profile = edit.replaceProfile ? fields : { ...account.profile, ...fields }
  const username = edit.username && keptForm(edit.username)
  const firstName = edit.firstName && keptForm(edit.firstName)
  const lastName = edit.lastName && keptForm(edit.lastName)
  const isRenamed = username !== undefined && username !== account.username
  refuseFaults({
    // A name or a profile that was given under older rules may stay.
    username: isRenamed ? usernameFaults(username, account.email) : [],
    first_name: nameFaults(firstName ?? ''),
    last_name: nameFaults(lastName ?? ''),
    ...(isSame(profile, account.profile) ? {} : rules.faults(profile)),
  })
  const update: AccountUpdate = {
    username: isRenamed ? { text: username, key: claimedKey(username) } : undefined,
    firstName: firstName === account.firstName ? undefined : firstName,
    lastName: lastName === account.lastName ? undefined : lastName,
    profile: isSame(profile, account.profile) ? undefined : { old: account.profile, fresh: profile },
  }
  return Object.values(update).every((part) => part === undefined) ? undefined : update
}

function isSame(one: Profile, other: Profile): boolean {
  const fields = Object.entries(one)
  return fields.length === Object.keys(other).length && fields.every(([name, value]) => other[name] === value)
}
