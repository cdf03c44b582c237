import { and, desc, eq, isNull, sql } from 'drizzle-orm'
import { v7 as uuidV7 } from 'uuid'
import type { AccountChangeStore, ChangeableAccount } from '../core/change-ports.ts'
import type { PasswordHash } from '../core/ports.ts'
import type { Database } from './database.ts'
import { createEmailChanges } from './email-changes.ts'
import { constraintOf } from './failure.ts'
import { enqueue, keepHistory, record, revokeSessions, unlessAddressIsTaken } from './in-transaction.ts'
import { eventStatement, letterStatement } from './letters.ts'
import type { AccountRow } from './rows.ts'
import { ACCOUNT_COLUMNS, toAccount, toAccountWithHash, UNUSABLE_HASH } from './rows.ts'
import { counters, events, outbox, passwordHistory, sessions, users, widgets } from './schema.ts'
import { transaction } from './transaction.ts'

/** Whoever owns the address, else the newest account that claims it; nobody who is disabled. */
const REQUEST_RESET = `
  WITH account AS (
    SELECT id FROM users WHERE email_key = $1 AND $1 <> '' AND disabled_at IS NULL
    ORDER BY email_verified_at IS NOT NULL DESC, id DESC LIMIT 1
  ), ${eventStatement('reset_requested', '$6', '$2', '$3')}, ${letterStatement('reset', '$4', '$5')}
  SELECT 1`

const FIND = `
  SELECT u.password_hash, u.email_key, u.pending_email, u.pending_email_key, u.previous_email, u.previous_email_key,
         now() AS now, ${ACCOUNT_COLUMNS}
  FROM users u WHERE u.id = $1 AND u.erased_at IS NULL`

type ChangeableRow = AccountRow & {
  readonly password_hash: PasswordHash
  readonly email_key: string
  readonly pending_email: string | null
  readonly pending_email_key: string | null
  readonly previous_email: string | null
  readonly previous_email_key: string | null
  readonly now: Date
}

/** Changes to accounts that exist. The user's row is locked first in each, so that sign-ins wait or are seen. */
export function createAccountChangeStore(database: Database): AccountChangeStore {
  const { pool } = database

  async function find(userId: number): Promise<ChangeableAccount | undefined> {
    const { rows } = await pool.query<ChangeableRow>({
      name: 'find_changeable',
      text: FIND,
      values: [userId],
    })
    return rows[0] && toChangeable(rows[0])
  }

  return {
    ...createEmailChanges(database),
    find,

    async requestReset(emailKey, counter, caller) {
      await pool.query({
        name: 'request_reset',
        text: REQUEST_RESET,
        values: [emailKey, caller.ip, caller.userAgent, counter, uuidV7(), uuidV7()],
      })
    },

    async passwordHistory(userId, most) {
      const rows = await database.drizzle
        .select({ passwordHash: passwordHistory.passwordHash })
        .from(passwordHistory)
        .where(eq(passwordHistory.userId, userId))
        .orderBy(desc(passwordHistory.retiredAt), desc(passwordHistory.id))
        .limit(most)
      return rows.map(({ passwordHash }) => passwordHash)
    },

    setPassword: ({ userId, old, fresh, provesEmailKey, keepSessionId, history, event }) =>
      unlessAddressIsTaken(() =>
        transaction(database, async (tx) => {
          const proof =
            provesEmailKey === undefined
              ? {}
              : {
                  emailVerifiedAt: sql`coalesce(${users.emailVerifiedAt}, now())`,
                  activatedAt: sql`coalesce(${users.activatedAt}, now())`,
                }
          const changed = await tx
            .update(users)
            .set({ passwordHash: fresh, ...proof })
            .where(
              and(
                eq(users.id, userId),
                eq(users.passwordHash, old),
                isNull(users.disabledAt),
                provesEmailKey === undefined ? undefined : eq(users.emailKey, provesEmailKey),
              ),
            )
            .returning({ id: users.id })
          if (changed.length === 0) return undefined

          await keepHistory(tx, userId, old, history)
          await tx.delete(counters).where(sql`${counters.key} = ${`login:${userId}`}`)
          await record(tx, userId, event)
          await enqueue(tx, userId, 'password_changed')
          return revokeSessions(tx, userId, 'password_changed', keepSessionId)
        }),
      ),

    async update(userId, update, caller) {
      try {
        return await transaction(database, async (tx) => {
          const changed = await tx
            .update(users)
            .set({
              ...(update.username && { username: update.username.text, usernameKey: update.username.key }),
              ...(update.firstName !== undefined && { firstName: update.firstName }),
              ...(update.lastName !== undefined && { lastName: update.lastName }),
              ...(update.profile && { profile: update.profile }),
            })
            .where(and(eq(users.id, userId), isNull(users.erasedAt)))
            .returning({ id: users.id })
          if (changed.length === 0) return undefined
          await record(tx, userId, { kind: 'account_updated', caller })
          const { rows } = await tx.execute<AccountRow & Record<string, unknown>>(
            sql`${sql.raw(`SELECT ${ACCOUNT_COLUMNS} FROM users u WHERE u.id =`)} ${userId}`,
          )
          return rows[0] && toAccount(rows[0])
        })
      } catch (error) {
        if (constraintOf(error) === 'users_username_key') return 'username_taken'
        throw error
      }
    },

    erase: (userId) =>
      transaction(database, async (tx) => {
        await tx
          .update(users)
          .set({
            ...ERASED,
            username: `deleted ${userId}`,
            // No user name that anybody may choose has a space in it.
            usernameKey: `deleted ${userId}`,
            passwordHash: UNUSABLE_HASH,
            disabledAt: sql`now()`,
            erasedAt: sql`now()`,
          })
          .where(eq(users.id, userId))
        for (const table of [outbox, widgets, passwordHistory])
          await tx.delete(table).where(eq(table.userId, userId))
        await tx
          .update(events)
          .set({ userId: null, sessionId: null, ip: NOBODY.ip, userAgent: NOBODY.userAgent })
          .where(eq(events.userId, userId))
        await record(tx, undefined, { kind: 'account_deleted', caller: NOBODY })
        const ended = await revokeSessions(tx, userId, 'deleted', undefined)
        await tx
          .update(sessions)
          .set({ ip: NOBODY.ip, userAgent: NOBODY.userAgent, label: '' })
          .where(eq(sessions.userId, userId))
        return ended
      }),
  }
}

/** Who is left in the record of an account that is gone. */
const NOBODY = { ip: '0.0.0.0', userAgent: '' }

const ERASED = {
  email: '',
  emailKey: '',
  emailVerifiedAt: null,
  pendingEmail: null,
  pendingEmailKey: null,
  previousEmail: null,
  previousEmailKey: null,
  firstName: '',
  lastName: '',
  roles: [],
  profile: {},
  lastLoginAt: null,
}

function toChangeable(row: ChangeableRow): ChangeableAccount {
  return {
    account: toAccountWithHash(row),
    emailKey: row.email_key,
    pendingEmail: row.pending_email ?? '',
    pendingEmailKey: row.pending_email_key ?? '',
    previousEmail: row.previous_email ?? '',
    previousEmailKey: row.previous_email_key ?? '',
    now: row.now.getTime(),
  }
}
