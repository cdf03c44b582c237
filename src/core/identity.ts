import { v4 as uuidV4 } from 'uuid'
import { AuthError } from './errors.ts'
import { imitatesLatin, skeleton } from './look-alikes.ts'
import { hasHeapedMarks, hasInvisible, isOneWritingSystem } from './scripts.ts'

/** How many code points, and how many bytes of UTF-8, a name may have. Django's user names end at 150. */
const USERNAME_MAX_LENGTH = 150
const USERNAME_MAX_BYTES = 400
const NAME_MAX_LENGTH = 150
const EMAIL_MAX_BYTES = 254
const EMAIL_LOCAL_MAX_BYTES = 64

/** What Django allows in a user name: letters and digits of any script, and `@ . + - _`. A mark follows a letter. */
const USERNAME_FORM = /^(?:[\p{L}\p{N}]\p{M}*|[_.@+-])+$/u
const EMAIL_LOCAL_FORM =
  /^[\p{L}\p{N}\p{M}!#$%&'*+/=?^_`{|}~-]+(?:\.[\p{L}\p{N}\p{M}!#$%&'*+/=?^_`{|}~-]+)*$/u
const DOMAIN_FORM =
  /^(?:[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}-]{0,61}[\p{L}\p{N}\p{M}])?\.)+(?:\p{L}[\p{L}\p{M}]+|xn--[a-z0-9-]+)$/iu

/** Names that an application gives a meaning of its own, or that would be mistaken for its staff. */
const RESERVED_USERNAMES = new Set(
  (
    '.well-known admin administrator anonymous api auth everyone false help hostmaster info keyturn login logout mail ' +
    'me moderator no-reply nobody none noreply null official operator postmaster register root security self staff ' +
    'superuser support system true undefined user webmaster www'
  )
    .split(' ')
    .map(skeleton),
)

const BLANK = 'This field may not be blank.'
const SPACE_AROUND = 'Remove the space at the beginning or the end.'
const INVISIBLE = 'Remove the invisible characters.'

/** What an account is called; the address is empty where it has none. */
export interface Names {
  readonly username: string
  readonly email: string
  readonly firstName: string
  readonly lastName: string
}

/** The form in which names and addresses are kept: NFC, so that what looks the same is the same. */
export function keptForm(text: string): string {
  return text.normalize('NFC')
}

/** The form in which an address is kept. RFC 4343: the case of a domain means nothing; that of a mailbox may. */
export function keptEmail(email: string): string {
  const kept = keptForm(email)
  const at = kept.lastIndexOf('@')
  return kept.slice(0, at) + kept.slice(at).replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

/** What decides whether two user names are the same: compatibility forms and case do not tell them apart. */
export function usernameKey(username: string): string {
  return foldKey(username)
}

/**
 * What a user name takes from everybody else. One that is an address takes nothing: whose it is, the address decides
 * once it is verified, so that nobody can hold it for somebody else. The space keeps it apart from all that is typed.
 */
export function claimedKey(username: string): string {
  const key = usernameKey(username)
  return key.includes('@') ? `${CLAIMS_NOTHING}${uuidV4()}` : key
}

/** Whether the key is one that the name has by itself; another was given because the name had gone to somebody else. */
export function isOwnKey(key: string, username: string): boolean {
  const plain = usernameKey(username)
  return key === plain || (key.startsWith(CLAIMS_NOTHING) && plain.includes('@'))
}

const CLAIMS_NOTHING = 'address '

/** The names and the address of an account as they are kept, with what decides whose they are. */
export function keptNames({ username, email, firstName, lastName }: Names) {
  return {
    username: keptForm(username),
    usernameKey: claimedKey(username),
    email: keptEmail(email),
    emailKey: emailKey(email),
    firstName: keptForm(firstName),
    lastName: keptForm(lastName),
  }
}

/** What decides whether two addresses are the same. Mail always goes to the address as it was stored. */
export function emailKey(email: string): string {
  return foldKey(email)
}

/** What is wrong with a user name that somebody chose, as sentences; empty when nothing is. */
export function usernameFaults(username: string, email: string): string[] {
  if (username.trim() === '') return [BLANK]
  if (Buffer.byteLength(username) > USERNAME_MAX_BYTES || [...username].length > USERNAME_MAX_LENGTH) {
    return [
      `Ensure this field has no more than ${USERNAME_MAX_LENGTH} characters, and ${USERNAME_MAX_BYTES} bytes.`,
    ]
  }
  if (username.trim() !== username) return [SPACE_AROUND]
  if (!USERNAME_FORM.test(username) || !/[\p{L}\p{N}]/u.test(username) || hasInvisible(username)) {
    const what = hasInvisible(username)
      ? INVISIBLE
      : 'It may contain only letters, numbers and @ . + - _ characters.'
    return [`Enter a valid username. ${what}`]
  }
  const key = usernameKey(username)
  if (key.includes('@')) {
    return key === emailKey(email)
      ? []
      : ['A user name that contains @ must be the e-mail address of the account.']
  }
  return mistakable(username)
}

/** What is wrong with an address, as sentences; RFC 5321 sets the lengths. Empty when nothing is. */
export function emailFaults(email: string): string[] {
  if (email.trim() === '') return [BLANK]
  if (Buffer.byteLength(email) <= EMAIL_MAX_BYTES && email.trim() !== email) return [SPACE_AROUND]
  const at = email.lastIndexOf('@')
  const local = email.slice(0, at)
  const domain = email.slice(at + 1)
  const isAddress =
    at > 0 &&
    Buffer.byteLength(email) <= EMAIL_MAX_BYTES &&
    Buffer.byteLength(local) <= EMAIL_LOCAL_MAX_BYTES &&
    EMAIL_LOCAL_FORM.test(local) &&
    DOMAIN_FORM.test(domain) &&
    !hasInvisible(email) &&
    !hasHeapedMarks(email) &&
    hasNoOtherForm(email) &&
    // No registry sells such a label; the part before the @ is the business of its mail server.
    domain.split('.').every(isOneWritingSystem)
  return isAddress ? [] : ['Enter a valid email address.']
}

/** What is wrong with a first or last name, as sentences; empty when nothing is. */
export function nameFaults(name: string): string[] {
  if (name === '') return []
  if ([...name].length > NAME_MAX_LENGTH)
    return [`Ensure this field has no more than ${NAME_MAX_LENGTH} characters.`]
  if (name.trim() !== name) return [SPACE_AROUND]
  return hasInvisible(name.replace(NEEDED_IN_NAMES, '')) || /\p{Cs}/u.test(name) ? [INVISIBLE] : []
}

/** Joiners, without which Persian and the scripts of India misspell a name, and variants of Japanese characters. */
const NEEDED_IN_NAMES = /\p{Join_Control}|\p{Variation_Selector}/gu

/**
 * Refuses an input with every complaint at once.
 * @throws AuthError `validation_failed` when there is any
 */
export function refuseFaults(faults: Readonly<Record<string, readonly string[]>>): void {
  const wrong = Object.entries(faults).filter(([, messages]) => messages.length > 0)
  if (wrong.length > 0) throw new AuthError('validation_failed', { fields: Object.fromEntries(wrong) })
}

/** What makes a well-formed user name pass for another one. */
function mistakable(username: string): string[] {
  if (!isOneWritingSystem(username)) {
    return ['Letters of different alphabets cannot stand in one user name. Use those of one alphabet.']
  }
  if (hasHeapedMarks(username)) return ['There are too many marks on one letter. Remove some.']
  if (RESERVED_USERNAMES.has(skeleton(username))) return ['This user name is reserved. Choose another one.']
  if (imitatesLatin(username)) {
    return [
      'This user name looks like one in plain Latin letters. Write it in them, or add a letter that they do not have.',
    ]
  }
  return []
}

/**
 * Whether NFC is the only form it has. Mail servers tell `ﬁ` from `fi`, and we do not: whoever reads the mail of one
 * such address would own all of them (CVE-2019-19844).
 */
function hasNoOtherForm(email: string): boolean {
  return email.normalize('NFKC') === email.normalize('NFC')
}

/**
 * Unicode's toNFKC_Casefold, as near as JavaScript comes to it, letter by letter, so that a sigma is one sigma wherever
 * it stands. This is the one place that decides: `ß` is `ss`, `ſ` is `s`, `İ` is an i with a dot, and `ı`, alone in
 * having an upper case that is another letter's, stays what it is. Nothing is folded in the database.
 */
function foldKey(name: string): string {
  const folded = Array.from(name.normalize('NFKC'), (letter) =>
    letter === 'ı' ? letter : letter.toLowerCase().toUpperCase().toLowerCase(),
  )
  return folded.join('').normalize('NFKC')
}
