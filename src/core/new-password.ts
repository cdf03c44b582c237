import type { AuthNeeds } from './auth.ts'
import { AuthError } from './errors.ts'
import { passwordFaults } from './password-policy.ts'
import type { Policy } from './policy.ts'
import type { AccountWithHash } from './ports.ts'

/** What it needs of all that the verbs do: the command line has no more. */
export type NewPasswordNeeds = Pick<AuthNeeds, 'changes' | 'passwords' | 'commonPasswords'> & {
  readonly policy: Pick<Policy, 'passwordMinLength' | 'passwordHistory'>
}

/**
 * Refuses a password that the policy does not allow, or that the account had before.
 * @throws AuthError `validation_failed` for `field`, with every complaint; `unavailable`
 */
export async function assertNewPassword(
  needs: NewPasswordNeeds,
  field: string,
  password: string,
  account: AccountWithHash,
): Promise<void> {
  const faults = await newPasswordFaults(needs, password, account)
  if (faults.length > 0) throw new AuthError('validation_failed', { fields: { [field]: faults } })
}

/** What is wrong with a password that is to replace the one of this account, as sentences. */
export async function newPasswordFaults(
  needs: NewPasswordNeeds,
  password: string,
  account: AccountWithHash,
): Promise<string[]> {
  const faults = await passwordFaults(needs, password, account)
  if (faults.length === 0 && (await wasUsed(needs, password, account))) {
    faults.push(
      `You have used this password before. Choose one that is not among your last ${needs.policy.passwordHistory + 1}.`,
    )
  }
  return faults
}

async function wasUsed(
  needs: NewPasswordNeeds,
  password: string,
  account: AccountWithHash,
): Promise<boolean> {
  const { passwordHistory } = needs.policy
  if (passwordHistory === 0) return false
  const earlier = await needs.changes.passwordHistory(account.id, passwordHistory)
  for (const hash of [account.passwordHash, ...earlier]) {
    if (await needs.passwords.verify(password, hash)) return true
  }
  return false
}
