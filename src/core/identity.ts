/** How many code points, and how many bytes of UTF-8, a name may have. Django's user names end at 150. */
const USERNAME_MAX_LENGTH = 150
const USERNAME_MAX_BYTES = 400
const EMAIL_MAX_BYTES = 254
const EMAIL_LOCAL_MAX_BYTES = 64

/** What Django allows in a user name: letters and digits of any script, and `@ . + - _`. */
const USERNAME_FORM = /^[\p{L}\p{N}\p{M}_.@+-]+$/u
const EMAIL_LOCAL_FORM =
  /^[\p{L}\p{N}\p{M}!#$%&'*+/=?^_`{|}~-]+(?:\.[\p{L}\p{N}\p{M}!#$%&'*+/=?^_`{|}~-]+)*$/u
const DOMAIN_FORM =
  /^(?:[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}-]{0,61}[\p{L}\p{N}\p{M}])?\.)+(?:\p{L}[\p{L}\p{M}]+|xn--[a-z0-9-]+)$/iu

/** Names that an application gives a meaning of its own, or that would be mistaken for its staff. */
const RESERVED_USERNAMES = new Set(
  (
    'admin administrator anonymous api auth help hostmaster info keyturn login logout mail me moderator no-reply ' +
    'noreply null official operator postmaster register root security self staff superuser support system ' +
    'undefined user webmaster www'
  ).split(' '),
)

/** What decides whether two user names are the same: compatibility forms and case do not tell them apart. */
export function usernameKey(username: string): string {
  return foldKey(username)
}

/** What decides whether two addresses are the same. Mail always goes to the address as it was stored. */
export function emailKey(email: string): string {
  return foldKey(email)
}

/** What is wrong with a user name that somebody chose, as sentences; empty when nothing is. */
export function usernameFaults(username: string, email: string): string[] {
  if (username === '') return ['This field may not be blank.']
  if ([...username].length > USERNAME_MAX_LENGTH || Buffer.byteLength(username) > USERNAME_MAX_BYTES) {
    return [`Ensure this field has no more than ${USERNAME_MAX_LENGTH} characters.`]
  }
  if (!USERNAME_FORM.test(username)) {
    return ['Enter a valid username. It may contain only letters, numbers and @ . + - _ characters.']
  }
  const key = usernameKey(username)
  if (RESERVED_USERNAMES.has(key)) return ['This user name is reserved. Choose another one.']
  if (key.includes('@') && key !== emailKey(email)) {
    return ['A user name that contains @ must be the e-mail address of the account.']
  }
  return []
}

/** What is wrong with an address, as sentences; RFC 5321 sets the lengths. Empty when nothing is. */
export function emailFaults(email: string): string[] {
  if (email === '') return ['This field may not be blank.']
  const at = email.lastIndexOf('@')
  const local = email.slice(0, at)
  const domain = email.slice(at + 1)
  const isAddress =
    at > 0 &&
    Buffer.byteLength(email) <= EMAIL_MAX_BYTES &&
    Buffer.byteLength(local) <= EMAIL_LOCAL_MAX_BYTES &&
    EMAIL_LOCAL_FORM.test(local) &&
    DOMAIN_FORM.test(domain)
  return isAddress ? [] : ['Enter a valid email address.']
}

/** Unicode's toNFKC_Casefold, as near as JavaScript comes to it. This is the one place that decides. */
function foldKey(name: string): string {
  // Casefolding knows one sigma, lower-casing two.
  return name.normalize('NFKC').toLowerCase().replaceAll('ς', 'σ').normalize('NFKC')
}
