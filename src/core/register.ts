import type { AuthNeeds } from './auth.ts'
import type { FieldErrors } from './errors.ts'
import { AuthError } from './errors.ts'
import type { Grant, SessionTerms } from './grant.ts'
import { makeGrant, newSession } from './grant.ts'
import { claimedKey, keptNames, nameFaults, refuseFaults, usernameFaults } from './identity.ts'
import { newEmailFaults } from './own-address.ts'
import { passwordFaults } from './password-policy.ts'
import type { Policy } from './policy.ts'
import type { Account, Caller, NewAccount, Profile } from './ports.ts'
import { findRetried } from './retried-registration.ts'
import { letterCounter } from './verify-email.ts'

export interface Registration {
  readonly username: string
  /** `undefined` for an account without one, which only EMAIL_VERIFICATION=optional or off can have. */
  readonly email: string | undefined
  readonly password: string
  readonly firstName: string
  readonly lastName: string
  readonly profile: Profile
}

/** What a way of saying asks of a registration besides. */
export interface RegistrationTerms {
  /** A first session, whenever the account is active at once; without it one is given to trusted accounts only. */
  readonly session?: SessionTerms
  /** What was found wrong with the input before; told together with all the rest, and in place of it. */
  readonly faults?: FieldErrors
}

/** The account, and with EMAIL_VERIFICATION=off, or where it was asked for, also its first session. */
export interface Registered {
  readonly account: Account
  readonly grant: Grant | undefined
}

/**
 * Creates an account. With EMAIL_VERIFICATION=required a taken address is not revealed: the account is created
 * and only the letter differs. Sent again after its answer was lost it is answered once more: see `findRetried`.
 * @throws AuthError `registration_closed`, `validation_failed` with every complaint at once, `unavailable`
 */
export async function register(
  needs: AuthNeeds,
  input: Registration,
  caller: Caller,
  terms: RegistrationTerms = {},
): Promise<Registered> {
  const { policy } = needs
  const { email = '' } = input
  if (policy.registration === 'closed') throw new AuthError('registration_closed')
  const owner = {
    username: input.username,
    email,
    firstName: input.firstName,
    lastName: input.lastName,
  }
  const profile = needs.profiles.normalize(input.profile)
  const faults = {
    username: usernameFaults(input.username, email),
    email: judgesEmail(input, policy) ? newEmailFaults(policy.ownMail, email) : [],
    password: await passwordFaults(needs, input.password, owner),
    first_name: nameFaults(input.firstName),
    last_name: nameFaults(input.lastName),
    ...needs.profiles.faults(profile),
    ...terms.faults,
  }
  if (Object.values(faults).some(({ length }) => length > 0) && faults.username.length === 0) {
    // Said with the rest, and not only once the rest is right.
    if (await needs.accounts.isUsernameTaken(claimedKey(input.username))) faults.username = [USERNAME_TAKEN]
  }
  refuseFaults(faults)

  const trusted = policy.emailVerification === 'off'
  const account: NewAccount = {
    ...keptNames(owner),
    emailVerified: trusted && email !== '',
    activated: policy.emailVerification !== 'required',
    passwordHash: await needs.passwords.hash(input.password),
    profile,
  }
  const letter = trusted || email === '' ? undefined : letterCounter(needs.keys, account.emailKey)
  const created = await needs.accounts.create(account, letter, caller)
  if (created === 'username_taken') {
    const earlier = await findRetried(needs, account, input.password, caller)
    if (earlier === undefined) throw taken('username', USERNAME_TAKEN)
    return { account: earlier, grant: await askedGrant(needs, earlier, caller, terms) }
  }
  if (created === 'email_taken') throw taken('email', 'A user with that email already exists.')
  if (letter !== undefined) needs.outbox.wake()
  const asked = await askedGrant(needs, created, caller, terms)
  return {
    account: created,
    grant: asked ?? (trusted ? await firstGrant(needs, created.id, caller) : undefined),
  }
}

const USERNAME_TAKEN = 'A user with that username already exists.'

/** An address is looked at where there is one, or where there has to be one. */
function judgesEmail({ email }: Registration, { emailVerification }: Policy): boolean {
  return email !== undefined || emailVerification === 'required'
}

/**
 * The session that was asked for along with the account, if it may be signed in to.
 * @throws AuthError `unavailable`, also when the account was gone at once
 */
async function askedGrant(
  needs: AuthNeeds,
  { id, activated }: Account,
  caller: Caller,
  { session }: RegistrationTerms,
): Promise<Grant | undefined> {
  if (session === undefined || !activated) return undefined
  const view = await needs.sessions.createFirst(newSession(needs, id, caller, session))
  if (view === undefined) throw new AuthError('unavailable', { retryAfterSeconds: 1 })
  return makeGrant(needs, view, session)
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
