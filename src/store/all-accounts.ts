import type pg from 'pg'
import { isOwnKey } from '../core/identity.ts'
import type { MovedAccount } from '../core/move-ports.ts'
import type { PasswordHash, Profile } from '../core/ports.ts'

const BATCH = 2000
const iso = (moment: string) => `to_char(${moment} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

const READ = `
  SELECT u.id, u.username, u.username_key, u.email, u.email_key, ${iso('u.email_verified_at')} AS email_verified_at, u.password_hash, u.first_name,
         u.last_name, u.roles, u.profile, ${iso('u.activated_at')} AS activated_at,
         ${iso('u.disabled_at')} AS disabled_at, ${iso('u.created_at')} AS created_at,
         ${iso('u.last_login_at')} AS last_login_at, w.document
  FROM users u LEFT JOIN widgets w ON w.user_id = u.id
  WHERE u.id > $1 AND u.erased_at IS NULL ORDER BY u.id LIMIT ${BATCH}`

interface Row {
  readonly id: string
  readonly username: string
  readonly username_key: string
  readonly email: string
  readonly email_key: string
  readonly email_verified_at: string | null
  readonly password_hash: PasswordHash
  readonly first_name: string
  readonly last_name: string
  readonly roles: string[]
  readonly profile: Profile
  readonly activated_at: string | null
  readonly disabled_at: string | null
  readonly created_at: string
  readonly last_login_at: string | null
  readonly document: string | null
}

/** Every account but those that were deleted, as of one moment. */
export async function* readAllAccounts(client: pg.Client): AsyncGenerator<MovedAccount[]> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  try {
    for (let after = '0'; ; ) {
      const { rows } = await client.query<Row>({ name: 'read_all', text: READ, values: [after] })
      const last = rows.at(-1)
      if (last === undefined) return
      yield rows.map(toMoved)
      after = last.id
    }
  } finally {
    await client.query('ROLLBACK')
  }
}

function toMoved(row: Row): MovedAccount {
  return {
    id: Number(row.id),
    username: row.username,
    usernameKey: row.username_key,
    usernameShared: !isOwnKey(row.username_key, row.username),
    email: row.email,
    emailKey: row.email_key,
    emailVerifiedAt: row.email_verified_at,
    passwordHash: row.password_hash,
    firstName: row.first_name,
    lastName: row.last_name,
    roles: row.roles,
    profile: row.profile,
    activatedAt: row.activated_at,
    disabledAt: row.disabled_at,
    createdAt: row.created_at,
    lastLoginAt: row.last_login_at,
    widgets: row.document,
  }
}
