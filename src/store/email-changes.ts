import { and, asc, eq, gte, sql } from 'drizzle-orm'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import { v7 as uuidV7 } from 'uuid'
import type { AccountChangeStore, NewUsername } from '../core/change-ports.ts'
import { UNDO_LINK_TTL_SECONDS } from '../core/policy.ts'
import type { Database } from './database.ts'
import { countLetter, enqueue, record, revokeSessions, unlessTaken } from './in-transaction.ts'
import { UNUSABLE_HASH } from './rows.ts'
import { formerEmails, users } from './schema.ts'
import { transaction } from './transaction.ts'

type EmailChanges = Pick<AccountChangeStore, 'requestEmailChange' | 'confirmEmailChange' | 'undoEmailChange'>

const IS_RECENT = sql`${formerEmails.replacedAt} > now() - make_interval(secs => ${UNDO_LINK_TTL_SECONDS})`

/** Changes of the address: asked for, confirmed, undone. */
export function createEmailChanges(database: Database): EmailChanges {
  return {
    requestEmailChange: ({ userId, boughtWith, email, emailKey, counter, caller }) =>
      transaction(database, async (tx) => {
        const [account] = await tx
          .update(users)
          .set({ pendingEmail: email, pendingEmailKey: emailKey })
          .where(and(eq(users.id, userId), eq(users.passwordHash, boughtWith)))
          .returning({ email: users.email, emailKey: users.emailKey, verifiedAt: users.emailVerifiedAt })
        if (account === undefined) return false
        await record(tx, userId, { kind: 'email_change_requested', caller })
        if (await countLetter(tx, counter)) {
          await enqueue(tx, userId, 'email_change', { address: email, addressKey: emailKey })
        }
        // Its link hands over the account: not to an address that nobody has confirmed, perhaps that of a stranger.
        if (account.email !== '' && account.verifiedAt !== null) {
          const to = { address: account.email, addressKey: account.emailKey }
          await enqueue(tx, userId, 'email_change_notice', { ...to, caller })
        }
        return true
      }),

    async confirmEmailChange({ userId, oldKey, pendingKey, username, caller }) {
      const confirmed = await unlessTaken(() =>
        transaction(database, async (tx) => {
          const isAsGiven = and(
            eq(users.id, userId),
            eq(users.emailKey, oldKey),
            eq(users.pendingEmailKey, pendingKey),
          )
          const [account] = await tx.select({ email: users.email }).from(users).where(isAsGiven).for('update')
          if (account === undefined) return undefined
          await tx.delete(formerEmails).where(and(eq(formerEmails.userId, userId), sql`NOT ${IS_RECENT}`))
          if (account.email !== '') {
            await tx
              .insert(formerEmails)
              .values({ id: uuidV7(), userId, email: account.email, emailKey: oldKey })
          }
          await tx
            .update(users)
            .set({
              email: sql`${users.pendingEmail}`,
              emailKey: pendingKey,
              emailVerifiedAt: sql`now()`,
              pendingEmail: null,
              pendingEmailKey: null,
              ...rename(username),
            })
            .where(eq(users.id, userId))
          await record(tx, userId, { kind: 'email_changed', caller })
          return true
        }),
      )
      return confirmed === true
    },

    undoEmailChange: ({ userId, oldKey, username, caller }) =>
      unlessTaken(() =>
        transaction(database, async (tx) => {
          const email = await takeBack(tx, userId, oldKey)
          if (email === undefined) return undefined
          await tx
            .update(users)
            .set({
              email,
              emailKey: oldKey,
              emailVerifiedAt: sql`CASE WHEN ${users.emailKey} = ${oldKey}
                                        THEN coalesce(${users.emailVerifiedAt}, now()) ELSE now() END`,
              passwordHash: UNUSABLE_HASH,
              pendingEmail: null,
              pendingEmailKey: null,
              ...rename(username),
            })
            .where(eq(users.id, userId))
          await record(tx, userId, { kind: 'email_change_undone', caller })
          await enqueue(tx, userId, 'reset')
          return revokeSessions(tx, userId, 'password_changed')
        }),
      ),
  }
}

/**
 * The address to go back to, taken out of those that the account had together with all that came after it; or the
 * present one, where it is the one and another is pending. Locks the row of the user.
 */
async function takeBack(tx: NodePgDatabase, userId: number, oldKey: string): Promise<string | undefined> {
  const [account] = await tx
    .select({ email: users.email, emailKey: users.emailKey, pendingKey: users.pendingEmailKey })
    .from(users)
    .where(eq(users.id, userId))
    .for('update')
  const [former] = await tx
    .select({ id: formerEmails.id, email: formerEmails.email })
    .from(formerEmails)
    .where(and(eq(formerEmails.userId, userId), eq(formerEmails.emailKey, oldKey), IS_RECENT))
    .orderBy(asc(formerEmails.id))
    .limit(1)
  if (former === undefined) {
    return account?.emailKey === oldKey && account.pendingKey !== null ? account.email : undefined
  }
  await tx.delete(formerEmails).where(and(eq(formerEmails.userId, userId), gte(formerEmails.id, former.id)))
  return former.email
}

/** Gives the user name, unless somebody else has it: then the account keeps its own. */
function rename(username: NewUsername | undefined) {
  if (username === undefined) return {}
  const isFree = sql`NOT EXISTS (
    SELECT FROM users other WHERE other.username_key = ${username.key} AND other.id <> ${users.id}
  )`
  return {
    username: sql`CASE WHEN ${isFree} THEN ${username.text} ELSE ${users.username} END`,
    usernameKey: sql`CASE WHEN ${isFree} THEN ${username.key} ELSE ${users.usernameKey} END`,
  }
}
