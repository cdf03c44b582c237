import { and, desc, eq, isNull, sql } from 'drizzle-orm'
import type { AccountChangeStore } from '../core/change-ports.ts'
import type { Database } from './database.ts'
import {
  enqueue,
  forgetFailures,
  keepHistory,
  record,
  revokeSessions,
  unlessTaken,
} from './in-transaction.ts'
import { passwordHistory, users, widgets } from './schema.ts'
import { transaction } from './transaction.ts'

type PasswordChanges = Pick<AccountChangeStore, 'passwordHistory' | 'setPassword'>

/** New passwords, and those that may not come again. */
export function createPasswordChanges(database: Database): PasswordChanges {
  return {
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
      unlessTaken(() =>
        transaction(database, async (tx) => {
          const proves = provesEmailKey !== undefined
          const isAsGiven = and(
            eq(users.id, userId),
            eq(users.passwordHash, old),
            isNull(users.disabledAt),
            proves ? eq(users.emailKey, provesEmailKey) : undefined,
          )
          const [before] = await tx
            .select({ verifiedAt: users.emailVerifiedAt })
            .from(users)
            .where(isAsGiven)
            .for('update')
          if (before === undefined) return undefined

          await tx
            .update(users)
            .set({
              passwordHash: fresh,
              pendingEmail: null,
              pendingEmailKey: null,
              ...(proves && {
                emailVerifiedAt: sql`coalesce(${users.emailVerifiedAt}, now())`,
                activatedAt: sql`coalesce(${users.activatedAt}, now())`,
              }),
            })
            .where(eq(users.id, userId))
          if (proves && before.verifiedAt === null) await tx.delete(widgets).where(eq(widgets.userId, userId))
          await keepHistory(tx, userId, old, history)
          await forgetFailures(tx, userId)
          await record(tx, userId, event)
          await enqueue(tx, userId, 'password_changed', { caller: event.caller })
          return revokeSessions(tx, userId, 'password_changed', { keepSessionId })
        }),
      ),
  }
}
