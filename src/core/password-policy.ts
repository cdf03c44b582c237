import { guessablePattern } from './guessable.ts'
import type { PasswordOwner } from './likeness.ts'
import { likenessTo } from './likeness.ts'
import { normalizePassword, sizeFaults } from './password.ts'
import type { Policy } from './policy.ts'
import type { CommonPasswords } from './ports.ts'

const ADVICE = 'Choose one that nobody would think of, such as several words that do not belong together.'

const PATTERNS = {
  repetition: 'it repeats itself',
  run: 'it runs along the alphabet or the keyboard',
  date: 'it is a date',
} as const

/** What judging a new password needs. */
export interface PasswordRules {
  readonly policy: Pick<Policy, 'passwordMinLength'>
  readonly commonPasswords: CommonPasswords
}

/**
 * What is wrong with a password that somebody chose, as sentences that say what to do; empty when nothing is.
 *
 * The rules are those of NIST SP 800-63B-4, in Django's words: a length, a list of common passwords, no likeness to
 * the owner. No rule asks for kinds of characters, and none refuses digits alone as Django does: both make passwords
 * worse. Nothing is ever cut.
 */
export async function passwordFaults(
  { policy, commonPasswords }: PasswordRules,
  password: string,
  owner: PasswordOwner,
): Promise<string[]> {
  const normalized = normalizePassword(password)
  const tooLong = sizeFaults(normalized)
  // The one complaint about it: the other rules take time in proportion.
  if (tooLong.length > 0) return tooLong
  if (DAMAGED.test(normalized))
    return ['This password has a character in it that was damaged on its way. Type it again.']

  const faults: string[] = []
  if ([...normalized].length < policy.passwordMinLength) {
    faults.push(
      `This password is too short. It must contain at least ${policy.passwordMinLength} characters.`,
    )
  }
  const folded = normalized.normalize('NFKC').toLowerCase().trim()
  const pattern = guessablePattern(folded)
  // What is too short is common too; to say so would be one sentence too many.
  if (faults.length === 0 && (pattern !== undefined || (await commonPasswords.has(folded)))) {
    faults.push(`This password is too common${pattern ? `: ${PATTERNS[pattern]}` : ''}. ${ADVICE}`)
  }
  const like = likenessTo(folded, owner)
  if (like !== undefined) {
    faults.push(
      `The password is too similar to the ${like}. Choose one that has nothing to do with your account.`,
    )
  }
  return faults
}

/** Half a character, or what stands for one that could not be read: many passwords would become the same one. */
const DAMAGED = /[\p{Cs}\ufffd]/u
