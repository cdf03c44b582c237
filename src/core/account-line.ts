import { claimedKey, emailKey, usernameKey } from './identity.ts'
import { remarksOn } from './move-from-django.ts'
import type { MovedAccount, Moving } from './move-ports.ts'
import type { PasswordHash, Profile } from './ports.ts'

/** A line longer than this is no account: the largest of ours, with its document, is a tenth of it. */
export const LINE_MAX = 1024 * 1024

/** What stands for a hash that was left out: no password matches it. */
const LEFT_OUT = '!' as PasswordHash

/** An account as one line of JSON. Without its hash it comes back with no password, and its owner asks for a reset. */
export function toLine(account: MovedAccount, withHash: boolean): string {
  return JSON.stringify({
    id: account.id,
    username: account.username,
    ...(account.usernameShared && { username_shared: true }),
    email: account.email,
    email_verified_at: account.emailVerifiedAt,
    first_name: account.firstName,
    last_name: account.lastName,
    roles: account.roles,
    profile: account.profile,
    activated_at: account.activatedAt,
    disabled_at: account.disabledAt,
    created_at: account.createdAt,
    last_login_at: account.lastLoginAt,
    ...(account.widgets !== null && { widgets: account.widgets }),
    ...(withHash && { password_hash: account.passwordHash }),
  })
}

/**
 * Reads such a line, by whomever it was made: `id` and `username` must be there, all else may be left out. A field that
 * is not known is a fault, for it would be lost.
 * @param number of the line, by which it is named where it has no id
 */
export function fromLine(line: string, number: number): Moving {
  const account = parse(line)
  return account === undefined
    ? { id: `line ${number}`, account, remarks: ['malformed'] }
    : { id: String(account.id), account, remarks: remarksOn(account) }
}

function parse(line: string): MovedAccount | undefined {
  const value = line.length <= LINE_MAX && !DAMAGED.test(line) ? parseJson(line) : undefined
  if (!isRecord(value) || Object.keys(value).some((name) => !FIELDS.has(name))) return undefined
  const { id, username, email = '', roles = [], profile = {}, created_at: createdAt = 'now' } = value
  const { first_name: firstName = '', last_name: lastName = '', username_shared: shared = false } = value
  const { password_hash: hash = LEFT_OUT, widgets = null } = value
  const isWhole =
    typeof id === 'number' &&
    Number.isSafeInteger(id) &&
    id > 0 &&
    typeof username === 'string' &&
    username !== '' &&
    [email, firstName, lastName, hash, widgets ?? ''].every(isText) &&
    typeof shared === 'boolean' &&
    Array.isArray(roles) &&
    roles.every(isText) &&
    isProfile(profile) &&
    (createdAt === 'now' || isMoment(createdAt)) &&
    MOMENTS.every((name) => value[name] == null || isMoment(value[name]))
  if (!isWhole) return undefined
  const moment = (name: (typeof MOMENTS)[number]) => (value[name] == null ? null : String(value[name]))
  const isAddress = usernameKey(username) === emailKey(String(email))
  return {
    id,
    username,
    // A name that is the account's own address claims nothing here, wherever it comes from.
    usernameKey: isAddress ? claimedKey(username) : usernameKey(username),
    usernameShared: shared,
    email: String(email),
    emailKey: emailKey(String(email)),
    emailVerifiedAt: moment('email_verified_at'),
    passwordHash: hash as PasswordHash,
    firstName: String(firstName),
    lastName: String(lastName),
    roles,
    profile,
    activatedAt: moment('activated_at'),
    disabledAt: moment('disabled_at'),
    createdAt: String(createdAt),
    lastLoginAt: moment('last_login_at'),
    widgets: widgets === null ? null : String(widgets),
  }
}

const MOMENTS = ['email_verified_at', 'activated_at', 'disabled_at', 'last_login_at'] as const
const FIELDS = new Set<string>([
  ...MOMENTS,
  ...[
    'id',
    'username',
    'username_shared',
    'email',
    'first_name',
    'last_name',
    'roles',
    'profile',
    'created_at',
  ],
  ...['widgets', 'password_hash'],
])

/** Postgres has no place for a NUL, and none for half a character: escaped, or as it is. */
const DAMAGED = /(?<!\\)(?:\\\\)*\\u0000|\0/

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text, (_, value: unknown) => {
      if (typeof value === 'string' && !value.isWellFormed()) throw new Error('half a character')
      return value
    })
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isProfile(value: unknown): value is Profile {
  return (
    isRecord(value) && Object.values(value).every((field) => /^(?:string|number|boolean)$/.test(typeof field))
  )
}

const MOMENT = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d(?::?\d\d)?)$/

function isMoment(value: unknown): boolean {
  return isText(value) && MOMENT.test(value) && !Number.isNaN(Date.parse(value.slice(0, 10)))
}
