import { and, desc, eq, isNull, sql } from 'drizzle-orm'
import type { OwnRecords, WidgetStore } from '../core/change-ports.ts'
import { deviceLabel } from '../core/device-label.ts'
import type { Database } from './database.ts'
import { events, sessions, widgets } from './schema.ts'

/** What owners may look at: their living sessions and their security record. */
export function createOwnRecords({ drizzle }: Database): OwnRecords {
  return {
    async sessions(userId, idleTtlSeconds, most) {
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
        .orderBy(desc(sessions.rotatedAt), desc(sessions.id))
        .limit(most)
      return rows.map(({ id, label, ip, userAgent, createdAt, rotatedAt }) => ({
        id,
        label: label || deviceLabel(userAgent),
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
        .where(and(eq(events.userId, userId), before === undefined ? undefined : isBefore(userId, before)))
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

/** After the event in the order of the page; nothing at all where the user has no such event. */
function isBefore(userId: number, id: string) {
  return sql`(${events.at}, ${events.id}) < (
    SELECT last.at, last.id FROM events last WHERE last.id = ${id} AND last.user_id = ${userId}
  )`
}

/** The lock keeps the account from being erased meanwhile, with a document left behind. */
const SAVE = `
  INSERT INTO widgets (user_id, document)
  SELECT id, $2::text FROM (SELECT id FROM users WHERE id = $1 AND disabled_at IS NULL FOR KEY SHARE) AS account
  ON CONFLICT (user_id) DO UPDATE SET document = excluded.document, saved_at = now()`

/** Documents of clients, kept as text. */
export function createWidgetStore({ drizzle, pool }: Database): WidgetStore {
  return {
    async save(userId, document) {
      const { rowCount } = await pool.query({
        name: 'save_widgets',
        text: SAVE,
        values: [userId, document],
      })
      return rowCount === 1
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
