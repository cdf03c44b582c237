import { desc, sql } from 'drizzle-orm'
import { emailKey } from '../core/identity.ts'
import type { MailboxStore } from '../core/ports.ts'
import type { Database } from './database.ts'
import { mailbox } from './schema.ts'

/** Enough for an afternoon of trying things out, and little enough to be listed whole. */
const KEPT = 500

/** What `/dev/mailbox` shows, shared by the replicas. */
export function createMailboxStore({ drizzle }: Database): MailboxStore {
  const newestFirst = [desc(mailbox.sentAt), desc(mailbox.id)]
  return {
    async add({ id, to, subject, text, html, links }) {
      await drizzle
        .insert(mailbox)
        .values({ id, to, subject, text, html, links: [...links] })
        .onConflictDoNothing()
      const surplus = drizzle
        .select({ id: mailbox.id })
        .from(mailbox)
        .orderBy(...newestFirst)
        .offset(KEPT)
      await drizzle.delete(mailbox).where(sql`${mailbox.id} IN ${surplus}`)
    },

    async list(to) {
      const all = await drizzle
        .select()
        .from(mailbox)
        .orderBy(...newestFirst)
      const messages = to === undefined ? all : all.filter((each) => emailKey(each.to) === emailKey(to))
      return messages.map(({ sentAt, ...message }) => ({ ...message, sentAt: sentAt.getTime() }))
    },
  }
}
