import { and, eq, isNull, sql } from 'drizzle-orm'
import type { OperatorStore } from '../core/operator.ts'
import type { PasswordHash } from '../core/ports.ts'
import type { Database } from './database.ts'
import { record, revokeSessions } from './in-transaction.ts'
import type { AccountRow } from './rows.ts'
import { ACCOUNT_COLUMNS, toAccountWithHash } from './rows.ts'
import { users } from './schema.ts'
import { transaction } from './transaction.ts'

const FIND = `
  SELECT u.password_hash, ${ACCOUNT_COLUMNS} FROM users u
  WHERE u.erased_at IS NULL AND (
    u.id = $1 OR u.username_key = $2 OR (u.email_key = $3 AND $3 <> '')
    OR $4 AND (starts_with(u.username_key, $2) OR starts_with(u.email_key, $3)))
  ORDER BY u.id LIMIT $5`

/** What only operators may do, or look at. */
export function createOperatorStore(database: Database): OperatorStore {
  return {
    async find({ id, usernameKey, emailKey, beginnings }, most) {
      const { rows } = await database.pool.query<AccountRow & { readonly password_hash: PasswordHash }>(
        FIND,
        [id, usernameKey, emailKey, beginnings, most],
      )
      return rows.map(toAccountWithHash)
    },

    async setRoles(userId, roles) {
      await database.drizzle
        .update(users)
        .set({ roles: [...roles] })
        .where(eq(users.id, userId))
    },

    setDisabled: (userId, disabled, event) =>
      transaction(database, async (tx) => {
        const changed = await tx
          .update(users)
          .set({ disabledAt: disabled ? sql`now()` : null })
          .where(
            and(
              eq(users.id, userId),
              isNull(users.erasedAt),
              disabled ? isNull(users.disabledAt) : sql`${users.disabledAt} IS NOT NULL`,
            ),
          )
          .returning({ id: users.id })
        if (changed.length === 0) return undefined
        await record(tx, userId, event)
        return disabled ? revokeSessions(tx, userId, 'disabled') : []
      }),
  }
}
