import { and, desc, eq, isNull, sql } from 'drizzle-orm'
import type { OwnRecords, WidgetStore } from '../core/change-ports.ts'
import type { Database } from './database.ts'
import { events, sessions, widgets } from './schema.ts'

/** What owners may look at: their living sessions and their security record. */
export function createOwnRecords({ drizzle }: Database): OwnRecords {
  return {
    async sessions(userId, idleTtlSeconds) {
      const rows = await drizzle
        .select()
        .from(sessions)
        .where(
          and(
            eq(sessions.userId, userId),
            isNull(sessions.revokedAt),
            sql`${sessions.expiresAt} > now()`,
            sql`(NOT ${sessions.rotates} OR ${sessions.rotatedAt} > now() - make_interval(secs => ${idleTtlSeconds}))`,
          ),
        )
        .orderBy(desc(sessions.rotatedAt))
      return rows.map(({ id, label, ip, userAgent, createdAt, rotatedAt }) => ({
        id,
        label,
        ip,
        userAgent,
        createdAt: createdAt.getTime(),
        lastUsedAt: rotatedAt.getTime(),
      }))
    },

    async events(userId, before, most) {
      const rows = await drizzle
        .select()
        .from(events)
        .where(and(eq(events.userId, userId), before === undefined ? undefined : isBefore(before)))
        .orderBy(desc(events.at), desc(events.id))
        .limit(most)
      return rows.map((row) => ({
        id: row.id,
        at: row.at.getTime(),
        kind: row.kind,
        sessionId: row.sessionId ?? undefined,
        ip: row.ip,
        userAgent: row.userAgent,
        reason: row.reason ?? undefined,
      }))
    },
  }
}

/** After the event in the order of the page; nothing at all where there is no such event. */
function isBefore(id: string) {
  return sql`(${events.at}, ${events.id}) < (SELECT last.at, last.id FROM events last WHERE last.id = ${id})`
}

/** Documents of clients, kept as text. */
export function createWidgetStore({ drizzle }: Database): WidgetStore {
  return {
    async save(userId, document) {
      await drizzle
        .insert(widgets)
        .values({ userId, document })
        .onConflictDoUpdate({ target: widgets.userId, set: { document, savedAt: sql`now()` } })
    },
    async load(userId) {
      const [row] = await drizzle
        .select({ document: widgets.document })
        .from(widgets)
        .where(eq(widgets.userId, userId))
      return row?.document
    },
  }
}
