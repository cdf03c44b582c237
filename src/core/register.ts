import type { AuthNeeds } from './auth.ts'
import { AuthError } from './errors.ts'
import type { Grant } from './grant.ts'
import { makeGrant, newSession } from './grant.ts'
import {
  emailKey,
  keptEmail,
  keptForm,
  nameFaults,
  refuseFaults,
  usernameFaults,
  usernameKey,
} from './identity.ts'
import { newEmailFaults } from './own-address.ts'
import { passwordFaults } from './password-policy.ts'
import type { Account, Caller, NewAccount, Profile } from './ports.ts'
import { findRetried } from './retried-registration.ts'
import { letterCounter } from './verify-email.ts'

export interface Registration {
  readonly username: string
  readonly email: string
  readonly password: string
  readonly firstName: string
  readonly lastName: string
  readonly profile: Profile
}

/** The account, and with EMAIL_VERIFICATION=off also its first session. */
export interface Registered {
  readonly account: Account
  readonly grant: Grant | undefined
}

/**
 * Creates an account. With EMAIL_VERIFICATION=required a taken address is not revealed: the account is created
 * and only the letter differs. Sent again after its answer was lost it is answered once more: see `findRetried`.
 * @throws AuthError `registration_closed`, `validation_failed` with every complaint at once, `unavailable`
 */
export async function register(needs: AuthNeeds, input: Registration, caller: Caller): Promise<Registered> {
  const { policy } = needs
  if (policy.registration === 'closed') throw new AuthError('registration_closed')
  const owner = {
    username: input.username,
    email: input.email,
    firstName: input.firstName,
    lastName: input.lastName,
  }
  const profile = needs.profiles.normalize(input.profile)
  refuseFaults({
    username: usernameFaults(input.username, input.email),
    email: newEmailFaults(policy.ownMail, input.email),
    password: await passwordFaults(needs, input.password, owner),
    first_name: nameFaults(input.firstName),
    last_name: nameFaults(input.lastName),
    ...needs.profiles.faults(profile),
  })

  const trusted = policy.emailVerification === 'off'
  const account: NewAccount = {
    username: keptForm(input.username),
    usernameKey: usernameKey(input.username),
    email: keptEmail(input.email),
    emailKey: emailKey(input.email),
    emailVerified: trusted,
    activated: policy.emailVerification !== 'required',
    passwordHash: await needs.passwords.hash(input.password),
    firstName: keptForm(input.firstName),
    lastName: keptForm(input.lastName),
    profile,
  }
  const letter = trusted ? undefined : letterCounter(needs.keys, account.emailKey)
  const created = await needs.accounts.create(account, letter, caller)
  if (created === 'username_taken') {
    const earlier = await findRetried(needs, account, input.password, caller)
    if (earlier === undefined) throw taken('username', 'A user with that username already exists.')
    return { account: earlier, grant: undefined }
  }
  if (created === 'email_taken') throw taken('email', 'A user with that email already exists.')
  if (!trusted) {
    needs.outbox.wake()
    return { account: created, grant: undefined }
  }

  return { account: created, grant: await firstGrant(needs, created.id, caller) }
}

/** The account is made, whatever becomes of its first session: without one its owner signs in. */
async function firstGrant(needs: AuthNeeds, userId: number, caller: Caller): Promise<Grant | undefined> {
  try {
    const view = await needs.sessions.createFirst(newSession(needs, userId, caller))
    return view && makeGrant(needs, view)
  } catch (error) {
    if (error instanceof AuthError) return undefined
    throw error
  }
}

function taken(field: string, message: string): AuthError {
  return new AuthError('validation_failed', { fields: { [field]: [message] } })
}
