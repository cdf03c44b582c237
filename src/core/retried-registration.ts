import type { AuthNeeds } from './auth.ts'
import { countersOf } from './log-in.ts'
import { LOGIN_FAILURES_PER_ACCOUNT, REGISTRATION_RETRY_SECONDS } from './policy.ts'
import type { Account, Caller, NewAccount } from './ports.ts'

/**
 * The account that this registration has made already, if it is one that is sent again because its answer was lost:
 * made moments ago, not confirmed, under the very same user name and address, with this password.
 *
 * Whoever does not know the password is told nothing: whatever stands under the name, the cost is one compare and the
 * same statements, and a wrong password counts with the failed sign-ins.
 * @throws AuthError `unavailable`
 */
export async function findRetried(
  needs: AuthNeeds,
  { username, usernameKey, email, emailKey }: NewAccount,
  password: string,
  caller: Caller,
): Promise<Account | undefined> {
  const identifier = { usernameKey }
  const { account, attempts, counter } = await needs.accounts.attemptLogin(
    identifier,
    countersOf(needs, identifier, caller),
    caller,
  )
  const found = await needs.accounts.findForLink(account?.id ?? 0)
  const isWaiting =
    found !== undefined &&
    !found.account.emailVerified &&
    !found.account.disabled &&
    found.account.username === username &&
    found.account.email === email &&
    found.emailKey === emailKey &&
    found.now < found.account.createdAt + REGISTRATION_RETRY_SECONDS * 1000
  const isLookedAt = isWaiting && !(needs.policy.limitsLogins && attempts > LOGIN_FAILURES_PER_ACCOUNT)

  let isFailure = false
  try {
    const matches = await needs.passwords.verify(
      password,
      isLookedAt ? found.account.passwordHash : undefined,
    )
    isFailure = isLookedAt && !matches
    return matches && isLookedAt ? found.account : undefined
  } finally {
    const reason = 'invalid_credentials'
    // Who only tried a name that is taken has guessed at nothing, and must not lock its owner out.
    await (isFailure
      ? needs.events.record({ kind: 'login_failed', caller, userId: account?.id, reason })
      : needs.accounts.refundLogin(counter))
  }
}
