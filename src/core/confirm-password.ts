import type { AccessClaims } from './access-token.ts'
import { bearerOf } from './access-token.ts'
import type { AuthNeeds } from './auth.ts'
import { AuthError } from './errors.ts'
import { assertPasswordSize } from './password.ts'
import { LOGIN_FAILURES_PER_ACCOUNT, LOGINS_PER_ACCOUNT } from './policy.ts'
import type { AccountWithHash, Caller, LoginAttempt } from './ports.ts'

/**
 * Asks for the password once more before a change that only the owner may make. Wrong ones count for this
 * session, as many as an account bears from strangers: whoever stole its access token is stopped too, and cannot come
 * by a new session without the password, while strangers who guess at sign-ins do not keep the owner out.
 * @param field the name of the field that brought the password
 * @throws AuthError `wrong_password`, `rate_limited`, `invalid_token` when account or session are gone, `unavailable`
 */
export async function confirmPassword(
  needs: AuthNeeds,
  claims: AccessClaims,
  field: string,
  password: string,
  caller: Caller,
): Promise<AccountWithHash> {
  assertPasswordSize(field, password)
  const attempt = await needs.changes.attemptConfirmation(bearerOf(claims))
  if (attempt === undefined) throw new AuthError('invalid_token')
  if (needs.policy.limitsLogins && attempt.attempts > LOGIN_FAILURES_PER_ACCOUNT) {
    // It was not looked at, so it is no failure: of good ones that come all at once none may lock the account.
    await needs.accounts.refundLogin(attempt.counter)
    throw new AuthError('rate_limited', {
      retryAfterSeconds: attempt.windowEndsInSeconds,
      limit: LOGINS_PER_ACCOUNT,
    })
  }
  if (attempt.account.disabled) throw new AuthError('invalid_token')
  if (!(await verifyAttempt(needs, password, attempt))) {
    await needs.events.record({
      kind: 'login_failed',
      caller,
      userId: claims.user_id,
      reason: 'wrong_password',
    })
    throw wrongPassword(field)
  }
  await needs.accounts.refundLogin(attempt.counter)
  return attempt.account
}

/** Also for a change that was bought with a password which another change has made the old one meanwhile. */
export function wrongPassword(field: string): AuthError {
  return new AuthError('wrong_password', { fields: { [field]: ['This is not your present password.'] } })
}

/** A password that could not be looked at, for want of threads, is no failed attempt. */
async function verifyAttempt(needs: AuthNeeds, password: string, attempt: LoginAttempt): Promise<boolean> {
  try {
    return await needs.passwords.verify(password, attempt.account?.passwordHash)
  } catch (error) {
    await needs.accounts.refundLogin(attempt.counter)
    throw error
  }
}
