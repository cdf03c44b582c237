import { and, desc, eq, isNull, sql } from 'drizzle-orm'
import type { OwnEvent, OwnRecords, OwnSession, WidgetStore } from '../core/change-ports.ts'
import { deviceLabel } from '../core/device-label.ts'
import type { Bearer } from '../core/ports.ts'
import type { Database } from './database.ts'
import { isOwnSession } from './own-session.ts'
import { events, sessions } from './schema.ts'

/** What owners may look at: their living sessions and their security record. */
export function createOwnRecords({ drizzle }: Database): OwnRecords {
  /** The session of an access token, one row or none: what is asked for beside it is joined to it. */
  const own = ({ userId, sessionId }: Bearer) =>
    drizzle
      .select({ id: sessions.id })
      .from(sessions)
      .where(and(eq(sessions.id, sessionId), eq(sessions.userId, userId), isNull(sessions.revokedAt)))
      .as('own')

  const living = (userId: number, idleTtlSeconds: number, most: number) =>
    drizzle
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

  const page = (userId: number, before: string | undefined, most: number) =>
    drizzle
      .select()
      .from(events)
      .where(and(eq(events.userId, userId), before === undefined ? undefined : isBefore(userId, before)))
      .orderBy(desc(events.at), desc(events.id))
      .limit(most)

  return {
    async sessions(userId, idleTtlSeconds, most) {
      return (await living(userId, idleTtlSeconds, most)).map(toOwnSession)
    },

    async events(userId, before, most) {
      return (await page(userId, before, most)).map(toOwnEvent)
    },

    async sessionsFor(bearer, idleTtlSeconds, most) {
      const listed = living(bearer.userId, idleTtlSeconds, most).as('listed')
      const rows = await drizzle
        .select()
        .from(own(bearer))
        .leftJoin(listed, sql`true`)
        .orderBy(desc(listed.rotatedAt), desc(listed.id))
      if (rows.length === 0) return undefined
      return rows.flatMap((row) => (row.listed === null ? [] : [toOwnSession(row.listed)]))
    },

    async eventsFor(bearer, before, most) {
      const listed = page(bearer.userId, before, most).as('listed')
      const rows = await drizzle
        .select()
        .from(own(bearer))
        .leftJoin(listed, sql`true`)
        .orderBy(desc(listed.at), desc(listed.id))
      if (rows.length === 0) return undefined
      return rows.flatMap((row) => (row.listed === null ? [] : [toOwnEvent(row.listed)]))
    },

    async hasSession(bearer, sessionId) {
      const other = drizzle
        .select({ id: sessions.id })
        .from(sessions)
        .where(and(eq(sessions.id, sessionId), eq(sessions.userId, bearer.userId)))
        .as('other')
      const [row] = await drizzle.select().from(own(bearer)).leftJoin(other, sql`true`)
      return row && row.other !== null
    },
  }
}

function toOwnSession(row: typeof sessions.$inferSelect): OwnSession {
  const { id, label, ip, userAgent, createdAt, rotatedAt } = row
  return {
    id,
    label: label || deviceLabel(userAgent),
    ip,
    userAgent,
    createdAt: createdAt.getTime(),
    lastUsedAt: rotatedAt.getTime(),
  }
}

function toOwnEvent(row: typeof events.$inferSelect): OwnEvent {
  return {
    id: row.id,
    at: row.at.getTime(),
    kind: row.kind,
    sessionId: row.sessionId ?? undefined,
    ip: row.ip,
    userAgent: row.userAgent,
    reason: row.reason ?? undefined,
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
  SELECT id, $3::text FROM (
    SELECT id FROM users WHERE id = $1 AND disabled_at IS NULL AND ${isOwnSession('$1', '$2')} FOR KEY SHARE
  ) AS account
  ON CONFLICT (user_id) DO UPDATE SET document = excluded.document, saved_at = now()`

const LOAD = `
  SELECT w.document FROM sessions own LEFT JOIN widgets w ON w.user_id = own.user_id
  WHERE own.id = $2 AND own.user_id = $1 AND own.revoked_at IS NULL`

/** Documents of clients, kept as text. */
export function createWidgetStore({ pool }: Database): WidgetStore {
  return {
    async save({ userId, sessionId }, document) {
      const values = [userId, sessionId, document]
      return (await pool.query({ name: 'save_widgets', text: SAVE, values })).rowCount === 1
    },
    async load({ userId, sessionId }) {
      const { rows } = await pool.query<{ document: string | null }>({
        name: 'load_widgets',
        text: LOAD,
        values: [userId, sessionId],
      })
      const [row] = rows
      return row && { document: row.document ?? undefined }
    },
  }
}
