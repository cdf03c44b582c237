import type { AccountStore, Identifier, PasswordHash } from '../core/ports.ts'
import type { Database } from './database.ts'
import { isOwnSession } from './own-session.ts'
import type { AccountRow } from './rows.ts'
import { ACCOUNT_COLUMNS, toAccount, toAccountWithHash } from './rows.ts'

const BY_EMAIL = `
  SELECT * FROM users WHERE email_key = $1 AND $1 <> ''
  ORDER BY email_verified_at IS NOT NULL DESC, activated_at IS NOT NULL DESC, id DESC LIMIT 1`

/** A name with an @ in its key was moved in from elsewhere; the key of ours has none (see `claimedKey`). */
const BY_NAME_OR_EMAIL = `
  SELECT * FROM users WHERE username_key = $1 OR email_key = $1
  ORDER BY username_key = $1 DESC, email_verified_at IS NOT NULL DESC, activated_at IS NOT NULL DESC, id DESC LIMIT 1`

/** The row of the account that an identifier stands for, which is the first parameter. */
function accountBy(identifier: Identifier): string {
  if ('usernameKey' in identifier) return 'SELECT * FROM users WHERE username_key = $1'
  if ('nameOrEmailKey' in identifier) return BY_NAME_OR_EMAIL
  return BY_EMAIL
}

/** The same for a sign-in, which an address leads only to an account that works; those that wait for it are another matter. */
export function accountToSignInBy(identifier: Identifier): string {
  if ('usernameKey' in identifier) return accountBy(identifier)
  return `SELECT * FROM (${accountBy(identifier)}) a
    WHERE username_key = $1 OR email_verified_at IS NOT NULL OR activated_at IS NOT NULL`
}

const FIND = `SELECT ${ACCOUNT_COLUMNS} FROM users u WHERE u.id = $1 AND ${isOwnSession('u.id', '$2')}`
const FIND_FOR_LINK = `SELECT u.password_hash, u.email_key, now() AS now, ${ACCOUNT_COLUMNS} FROM users u WHERE u.id = $1`
const WAITING = `
  SELECT u.password_hash, ${ACCOUNT_COLUMNS} FROM users u
  WHERE u.email_key = $1 AND $1 <> '' AND u.email_verified_at IS NULL AND u.activated_at IS NULL
  ORDER BY u.id DESC LIMIT 1`
const USERNAME_TAKEN = 'SELECT FROM users WHERE username_key = $1 LIMIT 1'

type RowWithHash = AccountRow & { readonly password_hash: PasswordHash }
type LinkRow = RowWithHash & {
  readonly email_key: string
  readonly now: Date
}

type Lookups = Pick<AccountStore, 'findFor' | 'lookUp' | 'findWaiting' | 'isUsernameTaken' | 'findForLink'>

/** Accounts as they are; nothing is changed and nothing counted. */
export function createAccountLookups({ pool }: Database): Lookups {
  return {
    async findFor({ userId, sessionId }) {
      const query = { name: 'find_account', text: FIND, values: [userId, sessionId] }
      const { rows } = await pool.query<AccountRow>(query)
      return rows[0] && toAccount(rows[0])
    },

    async lookUp(identifier) {
      const text = `SELECT ${ACCOUNT_COLUMNS} FROM (${accountBy(identifier)}) u WHERE u.erased_at IS NULL`
      const { rows } = await pool.query<AccountRow>(text, Object.values(identifier))
      return rows[0] && toAccount(rows[0])
    },

    async findWaiting(emailKey) {
      const query = { name: 'find_waiting', text: WAITING, values: [emailKey] }
      const { rows } = await pool.query<RowWithHash>(query)
      return rows[0] && toAccountWithHash(rows[0])
    },

    async isUsernameTaken(usernameKey) {
      const query = { name: 'username_taken', text: USERNAME_TAKEN, values: [usernameKey] }
      return (await pool.query(query)).rowCount !== 0
    },

    async findForLink(userId) {
      const { rows } = await pool.query<LinkRow>({
        name: 'find_for_link',
        text: FIND_FOR_LINK,
        values: [userId],
      })
      const [row] = rows
      return row && { account: toAccountWithHash(row), emailKey: row.email_key, now: row.now.getTime() }
    },
  }
}
