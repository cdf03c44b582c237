import { and, eq, sql } from 'drizzle-orm'
import type { AccountChangeStore } from '../core/change-ports.ts'
import type { Database } from './database.ts'
import { countLetter, enqueue, record, revokeSessions, unlessAddressIsTaken } from './in-transaction.ts'
import { UNUSABLE_HASH } from './rows.ts'
import { users } from './schema.ts'
import { transaction } from './transaction.ts'

type EmailChanges = Pick<AccountChangeStore, 'requestEmailChange' | 'confirmEmailChange' | 'undoEmailChange'>

/** Changes of the address: asked for, confirmed, undone. */
export function createEmailChanges(database: Database): EmailChanges {
  return {
    requestEmailChange: ({ userId, email, emailKey, counter, caller }) =>
      transaction(database, async (tx) => {
        const [account] = await tx
          .update(users)
          .set({ pendingEmail: email, pendingEmailKey: emailKey })
          .where(eq(users.id, userId))
          .returning({ email: users.email, emailKey: users.emailKey })
        if (account === undefined) return
        await record(tx, userId, { kind: 'email_change_requested', caller })
        if (await countLetter(tx, counter)) {
          await enqueue(tx, userId, 'email_change', { address: email, addressKey: emailKey })
        }
        if (account.email !== '') {
          await enqueue(tx, userId, 'email_change_notice', {
            address: account.email,
            addressKey: account.emailKey,
          })
        }
      }),

    async confirmEmailChange(userId, oldKey, pendingKey, caller) {
      const confirmed = await unlessAddressIsTaken(() =>
        transaction(database, async (tx) => {
          const changed = await tx
            .update(users)
            .set({
              email: sql`${users.pendingEmail}`,
              emailKey: sql`${users.pendingEmailKey}`,
              emailVerifiedAt: sql`now()`,
              previousEmail: sql`${users.email}`,
              previousEmailKey: sql`${users.emailKey}`,
              pendingEmail: null,
              pendingEmailKey: null,
            })
            .where(
              and(eq(users.id, userId), eq(users.emailKey, oldKey), eq(users.pendingEmailKey, pendingKey)),
            )
            .returning({ id: users.id })
          if (changed.length === 0) return undefined
          await record(tx, userId, { kind: 'email_changed', caller })
          return true
        }),
      )
      return confirmed === true
    },

    undoEmailChange: (userId, oldKey, newKey, caller) =>
      unlessAddressIsTaken(() =>
        transaction(database, async (tx) => {
          const isPending = sql`${users.emailKey} = ${oldKey} AND ${users.pendingEmailKey} = ${newKey}`
          const isDone = sql`${users.emailKey} = ${newKey} AND ${users.previousEmailKey} = ${oldKey}`
          const undone = await tx
            .update(users)
            .set({
              email: sql`CASE WHEN ${isDone} THEN ${users.previousEmail} ELSE ${users.email} END`,
              emailKey: oldKey,
              emailVerifiedAt: sql`now()`,
              passwordHash: UNUSABLE_HASH,
              pendingEmail: null,
              pendingEmailKey: null,
              previousEmail: null,
              previousEmailKey: null,
            })
            .where(and(eq(users.id, userId), sql`(${isPending} OR ${isDone})`))
            .returning({ id: users.id })
          if (undone.length === 0) return undefined
          await record(tx, userId, { kind: 'email_change_undone', caller })
          await enqueue(tx, userId, 'reset')
          return revokeSessions(tx, userId, 'password_changed', undefined)
        }),
      ),
  }
}
