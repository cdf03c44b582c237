import type { AuthNeeds } from './auth.ts'
import { AuthError } from './errors.ts'
import type { Grant } from './grant.ts'
import { makeGrant, newSession } from './grant.ts'
import { emailFaults, emailKey, usernameFaults, usernameKey } from './identity.ts'
import { passwordFaults } from './password.ts'
import type { Account, Caller, NewAccount, Profile } from './ports.ts'
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

const NAME_MAX_LENGTH = 150
const PROFILE_MAX_FIELDS = 32
const PROFILE_MAX_BYTES = 8192

/**
 * Creates an account. With EMAIL_VERIFICATION=required a taken address is not revealed: the account is created
 * and only the letter differs.
 * @throws AuthError `registration_closed`, `validation_failed` with every complaint at once, `unavailable`
 */
export async function register(needs: AuthNeeds, input: Registration, caller: Caller): Promise<Registered> {
  const { policy } = needs
  if (policy.registration === 'closed') throw new AuthError('registration_closed')
  refuseFaults(input, policy.passwordMinLength)

  const trusted = policy.emailVerification === 'off'
  const account: NewAccount = {
    username: input.username.normalize('NFC'),
    usernameKey: usernameKey(input.username),
    email: input.email,
    emailKey: emailKey(input.email),
    emailVerified: trusted,
    activated: policy.emailVerification !== 'required',
    passwordHash: await needs.passwords.hash(input.password),
    firstName: input.firstName,
    lastName: input.lastName,
    profile: input.profile,
  }
  const letter = trusted ? undefined : letterCounter(needs.keys, account.emailKey)
  const created = await needs.accounts.create(account, letter, caller)
  if (created === 'username_taken') throw taken('username', 'A user with that username already exists.')
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

function refuseFaults(input: Registration, passwordMinLength: number): void {
  const fields: Record<string, string[]> = {
    username: usernameFaults(input.username, input.email),
    email: emailFaults(input.email),
    password: passwordFaults(input.password, passwordMinLength),
    first_name: nameFaults(input.firstName),
    last_name: nameFaults(input.lastName),
    ...profileFaults(input.profile),
  }
  const wrong = Object.entries(fields).filter(([, faults]) => faults.length > 0)
  if (wrong.length > 0) throw new AuthError('validation_failed', { fields: Object.fromEntries(wrong) })
}

function nameFaults(name: string): string[] {
  if ([...name].length > NAME_MAX_LENGTH)
    return [`Ensure this field has no more than ${NAME_MAX_LENGTH} characters.`]
  return /\p{Cc}/u.test(name) ? ['Control characters are not allowed.'] : []
}

function profileFaults(profile: Profile): Record<string, string[]> {
  const names = Object.keys(profile)
  const nameless = names.filter((name) => !/^[^\p{C}]{1,64}$/u.test(name))
  if (nameless.length > 0) return { profile: ['Names of fields have 1 to 64 characters.'] }
  const reserved = names.filter(
    (name) => RESERVED_PROFILE_NAMES.has(name.toLowerCase()) || /password/i.test(name),
  )
  if (reserved.length > 0) {
    return Object.fromEntries(
      reserved.map((name) => [name, ['This name is reserved and cannot be a profile field.']]),
    )
  }
  if (names.length > PROFILE_MAX_FIELDS) {
    return { profile: [`A profile may have up to ${PROFILE_MAX_FIELDS} fields.`] }
  }
  if (Buffer.byteLength(JSON.stringify(profile)) > PROFILE_MAX_BYTES) {
    return { profile: [`A profile may take up to ${PROFILE_MAX_BYTES} bytes.`] }
  }
  return {}
}

/** Names that mean something to Keyturn, to a token or to the services that read one. */
const RESERVED_PROFILE_NAMES = new Set(
  (
    'id pk sub sid jti gen own iss aud iat exp nbf typ kid token_type user_id username email email_verified is_active ' +
    'is_admin is_staff is_superuser is_authenticated admin role roles groups permissions scope token access refresh ' +
    'token_version session_id first_name last_name created_at date_joined last_login profile __proto__ constructor ' +
    'prototype'
  ).split(' '),
)

function taken(field: string, message: string): AuthError {
  return new AuthError('validation_failed', { fields: { [field]: [message] } })
}
