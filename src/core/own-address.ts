import { emailFaults, emailKey } from './identity.ts'

/** The mail of the service itself. */
export interface OwnMail {
  /** What stands before the @ of the address that letters come from. */
  readonly sender: string
  /** What stands behind it, in each of its spellings. */
  readonly domains: readonly string[]
}

/** Who is no person at any domain: the sender that nobody reads, and what RFC 5321 has answer for the machine. */
const MACHINES = ['mailer-daemon', 'no-reply', 'noreply', 'postmaster']

/**
 * What is wrong with an address that somebody wants for an account, as sentences; empty when nothing is. Refused are
 * also those of the service itself: a letter to one would come back to it, and an answer to that letter too.
 */
export function newEmailFaults({ sender, domains }: OwnMail, email: string): string[] {
  const faults = emailFaults(email)
  if (faults.length > 0) return faults
  const key = emailKey(email)
  const at = key.lastIndexOf('@')
  const local = key.slice(0, at)
  // Most servers put mail to name+tag into the mailbox of name.
  const [mailbox = local] = local.split('+', 1)
  const names = [...MACHINES, emailKey(sender)]
  const isOwn =
    domains.some((domain) => emailKey(domain) === key.slice(at + 1)) &&
    (names.includes(local) || names.includes(mailbox))
  return isOwn ? ['This address belongs to the service itself. Use one of your own.'] : []
}
