import type { AuthNeeds } from './auth.ts'
import { AuthError } from './errors.ts'
import type { Grant } from './grant.ts'
import { makeGrant, newSession } from './grant.ts'
import { emailKey, usernameKey } from './identity.ts'
import { assertPasswordSize } from './password.ts'
import { LOGIN_FAILURES_PER_ACCOUNT } from './policy.ts'
import type { AccountWithHash, Caller, Identifier, LoginAttempt, LoginCounters } from './ports.ts'

export type Credentials = ({ readonly username: string } | { readonly email: string }) & {
  readonly password: string
}

/**
 * Signs in with a password and starts a session. An unknown account, a wrong password and a wrong password of a
 * disabled account are one answer at one cost: two statements and one bcrypt compare.
 * @throws AuthError `invalid_credentials`, `account_not_verified`, `account_disabled`, `rate_limited`, `unavailable`
 */
export async function logIn(needs: AuthNeeds, credentials: Credentials, caller: Caller): Promise<Grant> {
  assertPasswordSize('password', credentials.password)
  const identifier = identifierOf(credentials)
  const attempt = await needs.accounts.attemptLogin(identifier, countersOf(needs, identifier, caller), caller)
  if (needs.policy.limitsLogins && attempt.attempts > LOGIN_FAILURES_PER_ACCOUNT) {
    await recordFailure(needs, attempt, caller, 'rate_limited')
    throw new AuthError('rate_limited', { retryAfterSeconds: attempt.windowEndsInSeconds })
  }

  const matches = await verifyAttempt(needs, credentials.password, attempt)
  const { account } = attempt
  if (!matches || account === undefined) {
    await recordFailure(needs, attempt, caller, 'invalid_credentials')
    throw new AuthError('invalid_credentials')
  }
  if (account.disabled || !account.activated) {
    const code = account.disabled ? 'account_disabled' : 'account_not_verified'
    await needs.accounts.refundLogin(attempt.counter)
    await recordFailure(needs, attempt, caller, code)
    throw new AuthError(code)
  }

  const boughtWith = await renewHash(needs, account, credentials.password)
  const view = await needs.sessions.create(newSession(needs, account.id, caller), boughtWith, attempt.counter)
  // The password was changed or the account disabled while this request was on its way: the new state wins.
  if (view === undefined) throw new AuthError('invalid_credentials')
  return makeGrant(needs, view)
}

function identifierOf(credentials: Credentials): Identifier {
  return 'username' in credentials
    ? { usernameKey: usernameKey(credentials.username) }
    : { emailKey: emailKey(credentials.email) }
}

/** A known device counts apart, so that nobody can lock an owner out by guessing from elsewhere. */
export function countersOf(needs: AuthNeeds, identifier: Identifier, caller: Caller): LoginCounters {
  const name = (parts: string[]) =>
    needs.keys.macWithCurrent('guard', JSON.stringify(parts), 16).toString('base64url')
  return {
    unknown: name(['login', ...Object.entries(identifier).flat()]),
    device: name(['device', caller.ip, caller.userAgent]),
  }
}

/** A password that could not be looked at, for want of threads, is no failed attempt. */
export async function verifyAttempt(
  needs: AuthNeeds,
  password: string,
  attempt: LoginAttempt,
): Promise<boolean> {
  try {
    return await needs.passwords.verify(password, attempt.account?.passwordHash)
  } catch (error) {
    await needs.accounts.refundLogin(attempt.counter)
    throw error
  }
}

/** Brings an old hash up to the cost in force; `replaceHash` leaves it alone where a password change was faster. */
async function renewHash(needs: AuthNeeds, account: AccountWithHash, password: string) {
  if (!needs.passwords.isOutdated(account.passwordHash)) return account.passwordHash
  const fresh = await needs.passwords.hash(password)
  return (await needs.accounts.replaceHash(account.id, account.passwordHash, fresh))
    ? fresh
    : account.passwordHash
}

function recordFailure(
  needs: AuthNeeds,
  attempt: LoginAttempt,
  caller: Caller,
  reason: string,
): Promise<void> {
  return needs.events.record({ kind: 'login_failed', caller, userId: attempt.account?.id, reason })
}
