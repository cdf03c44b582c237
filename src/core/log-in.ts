import type { AuthNeeds } from './auth.ts'
import { AuthError } from './errors.ts'
import type { Grant, SessionTerms } from './grant.ts'
import { assertAudiences, makeGrant, newSession } from './grant.ts'
import { emailKey, usernameKey } from './identity.ts'
import { networkOf } from './network.ts'
import { assertPasswordSize } from './password.ts'
import { LOGIN_FAILURES_PER_ACCOUNT, LOGINS_PER_ACCOUNT } from './policy.ts'
import type {
  AccountWithHash,
  Caller,
  Identifier,
  LoginAttempt,
  LoginCounters,
  PasswordHash,
  SessionView,
} from './ports.ts'

export type Credentials = ({ readonly username: string } | { readonly email: string }) & {
  readonly password: string
}

/**
 * Signs in with a password and starts a session. An unknown account, a wrong password and a wrong password of a
 * disabled account are one answer at one cost: two statements and one bcrypt compare, by an address one more of each.
 * @param audiences those that tokens are wanted for beside our own
 * @throws AuthError `validation_failed`, `invalid_credentials`, `account_not_verified`, `account_disabled`,
 * `rate_limited`, `unavailable`
 */
export async function logIn(
  needs: AuthNeeds,
  credentials: Credentials,
  caller: Caller,
  terms?: SessionTerms,
): Promise<Grant> {
  assertAudiences(needs, terms?.audiences ?? [])
  assertPasswordSize('password', credentials.password)
  const identifier = identifierOf(credentials)
  const attempt = await needs.accounts.attemptLogin(identifier, countersOf(needs, identifier, caller), caller)
  if (needs.policy.limitsLogins && attempt.attempts > LOGIN_FAILURES_PER_ACCOUNT) {
    await recordFailure(needs, attempt, caller, 'rate_limited')
    // It was not looked at, so it is no failure: of good ones that come all at once none may lock the account.
    await needs.accounts.refundLogin(attempt.counter)
    throw new AuthError('rate_limited', {
      retryAfterSeconds: attempt.windowEndsInSeconds,
      limit: LOGINS_PER_ACCOUNT,
    })
  }

  let tried = attempt
  try {
    const opening = openSession(needs, credentials.password, attempt, caller, terms)
    const session = await opening.catch(async (error) => {
      if (codeOf(error) !== 'invalid_credentials') throw error
      const waiting = await findWaiting(needs, identifier, credentials.password)
      if (waiting === undefined) throw error
      tried = { ...attempt, account: waiting }
      return refuseByState(waiting)
    })
    return makeGrant(needs, session, terms)
  } catch (error) {
    const code = codeOf(error)
    // Only a wrong guess counts: not a good password that was refused for another reason, and not our own trouble.
    if (code !== 'invalid_credentials') await needs.accounts.refundLogin(attempt.counter)
    if (code !== undefined && code !== 'unavailable') await recordFailure(needs, tried, caller, code)
    throw error
  }
}

const codeOf = (error: unknown) => (error instanceof AuthError ? error.code : undefined)

function identifierOf(credentials: Credentials): Identifier {
  if ('email' in credentials) return { emailKey: emailKey(credentials.email) }
  const key = usernameKey(credentials.username)
  return key.includes('@') ? { nameOrEmailKey: key } : { usernameKey: key }
}

function addressOf(identifier: Identifier): string | undefined {
  if ('usernameKey' in identifier) return undefined
  return 'emailKey' in identifier ? identifier.emailKey : identifier.nameOrEmailKey
}

/** A known device counts apart, so that nobody can lock an owner out by guessing from elsewhere. */
export function countersOf(needs: AuthNeeds, identifier: Identifier, caller: Caller): LoginCounters {
  const name = (parts: string[]) =>
    needs.keys.macWithCurrent('guard', JSON.stringify(parts), 16).toString('base64url')
  return {
    // Where there is no account an address counts as one too, whichever field it came in.
    unknown: name(['login', ...Object.values(identifier)]),
    device: name(['device', networkOf(caller.ip), caller.userAgent]),
  }
}

/** The account, if this is its password and it may be signed in to. */
async function authenticate(
  needs: AuthNeeds,
  password: string,
  account: AccountWithHash | undefined,
): Promise<AccountWithHash> {
  const matches = await needs.passwords.verify(password, account?.passwordHash)
  if (!matches || account === undefined) throw new AuthError('invalid_credentials')
  return account.disabled || !account.activated ? refuseByState(account) : account
}

/** Whoever has the password is told why it does not let him in. */
function refuseByState({ disabled }: AccountWithHash): never {
  throw new AuthError(disabled ? 'account_disabled' : 'account_not_verified')
}

/**
 * The account that only waits for the address, if this is its password. Anybody can make one for an address of somebody
 * else: it is looked for at every failure, or its maker would learn whether the address has an owner.
 */
async function findWaiting(
  needs: AuthNeeds,
  identifier: Identifier,
  password: string,
): Promise<AccountWithHash | undefined> {
  const address = addressOf(identifier)
  if (address === undefined) return undefined
  const waiting = await needs.accounts.findWaiting(address)
  return (await needs.passwords.verify(password, waiting?.passwordHash)) ? waiting : undefined
}

/** Hashes replaced between compare and insert, one after another; more in a row is no race but a defect. */
const ROUNDS_MAX = 4

/**
 * Starts the session under the hash that the password matched. Where the account changed meanwhile, by a change of
 * the password or by another sign-in that renewed the hash, the password is held against what it has become.
 */
async function openSession(
  needs: AuthNeeds,
  password: string,
  attempt: LoginAttempt,
  caller: Caller,
  terms: SessionTerms | undefined,
): Promise<SessionView> {
  let { account: present } = attempt
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const account = await authenticate(needs, password, present)
    const hash = round === 0 ? await renewHash(needs, account, password) : account.passwordHash
    const session = newSession(needs, account.id, caller, terms)
    const view = await needs.sessions.create(session, hash, attempt.counter)
    if (view !== undefined) return view
    present = (await needs.accounts.findForLink(account.id))?.account
  }
  throw new AuthError('unavailable', { retryAfterSeconds: 1 })
}

/** Brings an old hash up to the cost in force, if there is time for it; a password change that was faster wins. */
async function renewHash(
  needs: AuthNeeds,
  account: AccountWithHash,
  password: string,
): Promise<PasswordHash> {
  if (!needs.passwords.isOutdated(account.passwordHash)) return account.passwordHash
  try {
    const fresh = await needs.passwords.hash(password)
    const isReplaced = await needs.accounts.replaceHash(account.id, account.passwordHash, fresh)
    return isReplaced ? fresh : account.passwordHash
  } catch (error) {
    if (error instanceof AuthError && error.code === 'unavailable') return account.passwordHash
    throw error
  }
}

function recordFailure(
  needs: AuthNeeds,
  attempt: LoginAttempt,
  caller: Caller,
  reason: string,
): Promise<void> {
  return needs.events.record({ kind: 'login_failed', caller, userId: attempt.account?.id, reason })
}
