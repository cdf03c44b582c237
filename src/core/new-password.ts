import type { AuthNeeds } from './auth.ts'
import { AuthError } from './errors.ts'
import { passwordFaults } from './password-policy.ts'
import type { Account, AccountWithHash } from './ports.ts'

/** Whose password it is to be: likeness to any of these is a fault. */
export type PasswordOwner = Pick<Account, 'username' | 'email' | 'firstName' | 'lastName'>

/**
 * Refuses a password that the policy does not allow, or that the account had before.
 * @throws AuthError `validation_failed` for `field`, with every complaint; `unavailable`
 */
export async function assertNewPassword(
  needs: AuthNeeds,
  field: string,
  password: string,
  account: AccountWithHash,
): Promise<void> {
  const faults = await passwordFaults(password, account, needs.policy)
  if (faults.length === 0 && (await wasUsed(needs, password, account))) {
    faults.push(
      `You have used this password before. Choose one that is not among your last ${needs.policy.passwordHistory + 1}.`,
    )
  }
  if (faults.length > 0) throw new AuthError('validation_failed', { fields: { [field]: faults } })
}

async function wasUsed(needs: AuthNeeds, password: string, account: AccountWithHash): Promise<boolean> {
  const { passwordHistory } = needs.policy
  if (passwordHistory === 0) return false
  const earlier = await needs.changes.passwordHistory(account.id, passwordHistory)
  for (const hash of [account.passwordHash, ...earlier]) {
    if (await needs.passwords.verify(password, hash)) return true
  }
  return false
}
