import type { PasswordOwner } from './new-password.ts'
import { normalizePassword, sizeFaults } from './password.ts'
import type { Policy } from './policy.ts'

/** What is wrong with a password that somebody chose, as sentences that say what to do; empty when nothing is. */
export async function passwordFaults(
  password: string,
  _owner: PasswordOwner,
  { passwordMinLength }: Pick<Policy, 'passwordMinLength'>,
): Promise<string[]> {
  const normalized = normalizePassword(password)
  if ([...normalized].length < passwordMinLength) {
    return [`This password is too short. It must contain at least ${passwordMinLength} characters.`]
  }
  return sizeFaults(normalized)
}
