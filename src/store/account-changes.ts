import { and, eq, isNull, sql } from 'drizzle-orm'
import type { QueryConfig } from 'pg'
import type { AccountChangeStore, ChangeableAccount } from '../core/change-ports.ts'
import type { ChangeableRow } from './changeable.ts'
import { CHANGEABLE_COLUMNS, toChangeable } from './changeable.ts'
import { createConfirmations } from './confirmations.ts'
import type { Database } from './database.ts'
import { createEmailChanges } from './email-changes.ts'
import { constraintOf } from './failure.ts'
import { forgetFailures, record, revokeSessions } from './in-transaction.ts'
import { askForLetter } from './letter-requests.ts'
import { isOwnSession, isOwnSessionOf } from './own-session.ts'
import { createPasswordChanges } from './password-changes.ts'
import { UNUSABLE_HASH } from './rows.ts'
import { events, formerEmails, outbox, passwordHistory, sessions, users, widgets } from './schema.ts'
import { transaction } from './transaction.ts'

const FIND = `SELECT ${CHANGEABLE_COLUMNS} FROM users u WHERE u.id = $1 AND u.erased_at IS NULL`
const FIND_FOR = `${FIND} AND ${isOwnSession('u.id', '$2')}`

/** Changes to accounts that exist. The user's row is locked first in each, so that sign-ins wait or are seen. */
export function createAccountChangeStore(database: Database): AccountChangeStore {
  const { pool } = database

  async function changeable(query: QueryConfig): Promise<ChangeableAccount | undefined> {
    const { rows } = await pool.query<ChangeableRow>(query)
    return rows[0] && toChangeable(rows[0])
  }

  const find = (userId: number) => changeable({ name: 'find_changeable', text: FIND, values: [userId] })

  return {
    ...createConfirmations(database),
    ...createEmailChanges(database),
    ...createPasswordChanges(database),
    find,
    findFor: ({ userId, sessionId }) =>
      changeable({ name: 'find_changeable_for', text: FIND_FOR, values: [userId, sessionId] }),

    requestReset: (emailKey, counter, caller) => askForLetter(pool, 'reset', emailKey, counter, caller),

    async update({ userId, sessionId }, { username, firstName, lastName, profile }, caller) {
      try {
        const outcome = await transaction(database, async (tx) => {
          const [before] = await tx
            .select({ isAsGiven: profile ? sql<boolean>`${eq(users.profile, profile.old)}` : sql`true` })
            .from(users)
            .where(
              and(
                eq(users.id, userId),
                isNull(users.erasedAt),
                sessionId === undefined ? undefined : isOwnSessionOf({ userId, sessionId }),
              ),
            )
            .for('update')
          if (before === undefined) return undefined
          if (!before.isAsGiven) return 'overtaken'
          await tx
            .update(users)
            .set({
              ...(username && { username: username.text, usernameKey: username.key }),
              ...(firstName !== undefined && { firstName }),
              ...(lastName !== undefined && { lastName }),
              ...(profile && { profile: profile.fresh }),
            })
            .where(eq(users.id, userId))
          await record(tx, userId, { kind: 'account_updated', caller })
          return 'updated'
        })
        return outcome === 'updated' ? (await find(userId))?.account : outcome
      } catch (error) {
        if (constraintOf(error) === 'users_username_key') return 'username_taken'
        throw error
      }
    },

    erase: (userId, boughtWith) =>
      transaction(database, async (tx) => {
        const erased = await tx
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
          .where(and(eq(users.id, userId), eq(users.passwordHash, boughtWith), isNull(users.erasedAt)))
          .returning({ id: users.id })
        if (erased.length === 0) return undefined

        for (const table of [outbox, widgets, passwordHistory, formerEmails])
          await tx.delete(table).where(eq(table.userId, userId))
        await forgetFailures(tx, userId)
        await tx
          .update(events)
          .set({ userId: null, sessionId: null, ip: NOBODY.ip, userAgent: NOBODY.userAgent })
          .where(eq(events.userId, userId))
        await record(tx, undefined, { kind: 'account_deleted', caller: NOBODY })
        const ended = await revokeSessions(tx, userId, 'deleted')
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
  firstName: '',
  lastName: '',
  roles: [],
  profile: {},
  lastLoginAt: null,
}
