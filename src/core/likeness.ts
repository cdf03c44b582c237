import type { Account } from './ports.ts'

/** Whose password it is to be: likeness to any of these is a fault. */
export type PasswordOwner = Pick<Account, 'username' | 'email' | 'firstName' | 'lastName'>

/** From this share of common characters on, Django's `UserAttributeSimilarityValidator` refuses. */
const MAX_SIMILARITY = 0.7
/** No name or address that is allowed is longer, and its own rule refuses what is: nothing is gained by reading on. */
const ATTRIBUTE_MAX_LENGTH = 400

const NAMES: Readonly<Record<keyof PasswordOwner, string>> = {
  username: 'user name',
  email: 'e-mail address',
  firstName: 'first name',
  lastName: 'last name',
}

/**
 * Which of the owner's names, or which part of one, the password is too much like; `undefined` when none. The measure
 * is Django's: the quick ratio of Python's SequenceMatcher, which counts the characters that both have, in any order.
 */
export function likenessTo(folded: string, owner: PasswordOwner): string | undefined {
  const password = countCharacters(folded)
  const fields: (keyof PasswordOwner)[] = ['username', 'email', 'firstName', 'lastName']
  const field = fields.find((each) => partsOf(owner[each]).some((part) => isAlike(password, part)))
  return field && NAMES[field]
}

interface Characters {
  readonly length: number
  readonly counts: ReadonlyMap<string, number>
}

/** The whole and its words: of an address the local part and each label of the domain. */
function partsOf(attribute: string): string[] {
  const whole = attribute.slice(0, ATTRIBUTE_MAX_LENGTH).normalize('NFKC').toLowerCase()
  return [...new Set([whole, ...whole.split(/[^\p{L}\p{N}\p{M}_]+/u)])].filter((part) => part !== '')
}

function isAlike(password: Characters, part: string): boolean {
  const other = countCharacters(part)
  // Django's bound (CVE-2021-45115): a part that is so much shorter cannot reach the ratio.
  if (password.length >= 10 * other.length && other.length < (MAX_SIMILARITY / 2) * password.length)
    return false
  let common = 0
  for (const [character, count] of other.counts)
    common += Math.min(count, password.counts.get(character) ?? 0)
  return (2 * common) / (password.length + other.length) >= MAX_SIMILARITY
}

function countCharacters(text: string): Characters {
  const counts = new Map<string, number>()
  let length = 0
  for (const character of text) {
    counts.set(character, (counts.get(character) ?? 0) + 1)
    length += 1
  }
  return { length, counts }
}
