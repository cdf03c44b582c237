import { and, eq, sql } from 'drizzle-orm'
import { v7 as uuidV7 } from 'uuid'
import { LOGIN_WINDOW_SECONDS } from '../core/policy.ts'
import type { Account, AccountStore, Caller, Identifier, NewAccount, PasswordHash } from '../core/ports.ts'
import { accountToSignInBy, createAccountLookups } from './account-lookups.ts'
import type { Database } from './database.ts'
import { constraintOf } from './failure.ts'
import { isSameDevice } from './known-device.ts'
import { askForLetter } from './letter-requests.ts'
import { countStatement, eventStatement, letterStatement } from './letters.ts'
import type { AccountRow } from './rows.ts'
import { ACCOUNT_COLUMNS, toAccount, toAccountWithHash } from './rows.ts'
import { counters, users } from './schema.ts'

/** A device that the account was signed in to from before has a counter of its own. */
const attemptStatement = (account: string) => `
  WITH account AS (${account}), known AS (
    SELECT EXISTS (
      SELECT FROM sessions s JOIN account ON s.user_id = account.id WHERE ${isSameDevice('$4::inet', '$5')}
    ) AS device
  ), counted AS (${countStatement(
    `(SELECT CASE WHEN account.id IS NULL THEN 'login:' || $2
                  WHEN known.device THEN 'login:' || account.id || ':' || $3
                  ELSE 'login:' || account.id END
      FROM known LEFT JOIN account ON true)`,
    LOGIN_WINDOW_SECONDS,
  )})
  SELECT counted.key AS counter, counted.count,
         greatest(1, ceil(extract(epoch FROM counted.window_ends_at - now())))::integer AS window_ends_in,
         u.password_hash, ${ACCOUNT_COLUMNS}
  FROM counted LEFT JOIN account u ON true`

function attemptBy(identifier: Identifier): { name: string; text: string } {
  const by = Object.keys(identifier)[0] ?? ''
  return { name: `attempt_by_${by}`, text: attemptStatement(accountToSignInBy(identifier)) }
}

const createStatement = (letter: string) => `
  WITH account AS (
    INSERT INTO users (username, username_key, email, email_key, email_verified_at, activated_at, password_hash,
                       first_name, last_name, profile)
    VALUES ($1, $2, $3, $4, CASE WHEN $5::boolean THEN now() END, CASE WHEN $6::boolean THEN now() END, $7, $8, $9,
            $10)
    RETURNING *
  ), ${eventStatement('registered', '$13', '$11', '$12')} ${letter}
  SELECT ${ACCOUNT_COLUMNS} FROM account u`

const CREATE = createStatement('')
const CREATE_WITH_LETTER = createStatement(`, ${letterStatement('verification', '$14', '$15', '$16')}`)

const VERIFY_EMAIL = `
  WITH account AS (
    UPDATE users u SET email_verified_at = now(), activated_at = coalesce(activated_at, now())
    WHERE id = $1 AND email_key = $2 AND email_verified_at IS NULL AND NOT EXISTS (
      SELECT FROM users other WHERE other.email_key = u.email_key AND other.email_verified_at IS NOT NULL
    )
    RETURNING id
  ), ${eventStatement('email_verified', '$5', '$3', '$4')}
  SELECT id FROM account`

type AttemptRow = AccountRow & {
  readonly counter: string
  readonly count: number
  readonly window_ends_in: number
  /** Null, like every column of the account, where there is none. */
  readonly password_hash: PasswordHash | null
}

/** Accounts, what decides who owns a name or an address, and the counters kept per account. */
export function createAccountStore(database: Database): AccountStore {
  const { pool, drizzle } = database

  async function insert(account: NewAccount, letter: string | undefined, caller: Caller): Promise<Account> {
    const values: unknown[] = [
      account.username,
      account.usernameKey,
      account.email,
      account.emailKey,
      account.emailVerified,
      account.activated,
      account.passwordHash,
      account.firstName,
      account.lastName,
      account.profile,
      caller.ip,
      caller.userAgent,
      uuidV7(),
    ]
    const { rows } = await pool.query<AccountRow>(
      letter === undefined
        ? { name: 'create_account', text: CREATE, values }
        : {
            name: 'create_account_with_letter',
            text: CREATE_WITH_LETTER,
            values: [...values, letter, uuidV7(), caller.via ?? null],
          },
    )
    const [row] = rows
    if (row === undefined) throw new Error('an insert without a conflict clause returned no row')
    return toAccount(row)
  }

  return {
    ...createAccountLookups(database),

    async create(account, letter, caller) {
      try {
        return await insert(account, letter, caller)
      } catch (error) {
        const constraint = constraintOf(error)
        if (constraint === 'users_username_key') return 'username_taken'
        if (constraint === 'users_verified_email_key') return 'email_taken'
        throw error
      }
    },

    async attemptLogin(identifier, names, caller) {
      const { rows } = await pool.query<AttemptRow>({
        ...attemptBy(identifier),
        values: [Object.values(identifier)[0], names.unknown, names.device, caller.ip, caller.userAgent],
      })
      const [row] = rows
      if (row === undefined) throw new Error('counting an attempt returned no row')
      return {
        account:
          row.password_hash === null
            ? undefined
            : toAccountWithHash({ ...row, password_hash: row.password_hash }),
        counter: row.counter,
        attempts: row.count,
        windowEndsInSeconds: row.window_ends_in,
      }
    },

    async refundLogin(counter) {
      await drizzle
        .update(counters)
        .set({ count: sql`greatest(${counters.count} - 1, 0)` })
        .where(eq(counters.key, counter))
    },

    async replaceHash(userId, old, fresh) {
      const replaced = await drizzle
        .update(users)
        .set({ passwordHash: fresh })
        .where(and(eq(users.id, userId), eq(users.passwordHash, old)))
        .returning({ id: users.id })
      return replaced.length === 1
    },

    async verifyEmail(userId, emailKey, caller) {
      try {
        const { rowCount } = await pool.query(VERIFY_EMAIL, [
          userId,
          emailKey,
          caller.ip,
          caller.userAgent,
          uuidV7(),
        ])
        return rowCount === 1
      } catch (error) {
        // Another account verified the address at this very moment: first come, first served.
        if (constraintOf(error) === 'users_verified_email_key') return false
        throw error
      }
    },

    requestVerification: (emailKey, counter, caller) =>
      askForLetter(pool, 'verification', emailKey, counter, caller),
  }
}
