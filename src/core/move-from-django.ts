import { readHash } from './hash-form.ts'
import { emailFaults, emailKey, usernameFaults, usernameKey } from './identity.ts'
import type { MovedAccount, Moving, Remark } from './move-ports.ts'
import type { PasswordHash } from './ports.ts'

/** A row of Django's user table: its columns by name, as Postgres writes them; null is null, and so is what is not there. */
export type DjangoUser = Readonly<Record<string, string | null | undefined>>

export interface DjangoChoices {
  /** Whether the address of an active account counts as verified. */
  readonly trustsEmails: boolean
  readonly staffRole: string
  readonly superuserRole: string
}

/** The largest id that a JWT and its readers can carry as a number. */
const ID_MAX = Number.MAX_SAFE_INTEGER

/**
 * What a user of Django becomes here. Nothing is mended: names, addresses and hashes are kept as they are, and what
 * Keyturn would not have taken is said in remarks.
 */
export function fromDjango(user: DjangoUser, choices: DjangoChoices): Moving {
  const id = user['id'] ?? ''
  const email = user['email'] ?? ''
  const username = user['username'] ?? email
  const createdAt = user['date_joined'] ?? 'now'
  if (!isId(id)) return { id, account: undefined, remarks: ['malformed'] }
  if (username === '') return { id, account: undefined, remarks: ['no_username'] }

  const isActive = (user['is_active'] ?? 't') === 't'
  const isAddress = email !== '' && emailFaults(email).length === 0
  const account: MovedAccount = {
    id: Number(id),
    username,
    usernameKey: usernameKey(username),
    usernameShared: false,
    email,
    emailKey: emailKey(email),
    emailVerifiedAt: choices.trustsEmails && isActive && isAddress ? createdAt : null,
    passwordHash: (user['password'] ?? '') as PasswordHash,
    firstName: user['first_name'] ?? '',
    lastName: user['last_name'] ?? '',
    roles: rolesOf(user, choices),
    profile: {},
    // All of them: what waits to be confirmed is removed after UNVERIFIED_TTL, and its id stands in other tables.
    activatedAt: createdAt,
    disabledAt: isActive ? null : 'now',
    createdAt,
    lastLoginAt: user['last_login'] ?? null,
    widgets: null,
  }
  return { id, account, remarks: remarksOn(account) }
}

/** What there is to say about an account before anybody has looked whether it finds a place. */
export function remarksOn({ username, email, passwordHash }: MovedAccount): Remark[] {
  const remarks: Remark[] = []
  if (usernameFaults(username, email).length > 0) remarks.push('username_unusual')
  if (email !== '' && emailFaults(email).length > 0) remarks.push('email_unusual')
  if (passwordHash === '' || passwordHash.startsWith('!')) remarks.push('password_unusable')
  else if (readHash(passwordHash) === undefined) remarks.push('password_unknown')
  return remarks
}

export function isId(text: string): boolean {
  return /^[1-9]\d{0,15}$/.test(text) && Number(text) <= ID_MAX
}

function rolesOf(user: DjangoUser, { staffRole, superuserRole }: DjangoChoices): string[] {
  const roles = [
    ...(user['is_superuser'] === 't' ? [superuserRole] : []),
    ...(user['is_staff'] === 't' ? [staffRole] : []),
  ]
  return [...new Set(roles)].filter((role) => role !== '')
}
