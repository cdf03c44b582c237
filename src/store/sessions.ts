import { and, eq, isNull, sql } from 'drizzle-orm'
import type { NewSession, SecurityEvent, SessionStore, SessionView } from '../core/ports.ts'
import { coalesce } from './coalesce.ts'
import type { Database } from './database.ts'
import { recordActed } from './events.ts'
import { createRotator } from './rotation.ts'
import type { SessionRow } from './rows.ts'
import { ACCOUNT_COLUMNS, SESSION_COLUMNS, toSessionView } from './rows.ts'
import { events, sessions, users } from './schema.ts'
import { transaction } from './transaction.ts'

/** `owner` locks the user's row until the session is there: a password change waits for it, or it for the change. */
const createStatement = (ownerCondition: string) => `
  WITH owner AS (
    UPDATE users SET last_login_at = now()
    WHERE id = $2 AND disabled_at IS NULL AND activated_at IS NOT NULL ${ownerCondition}
    RETURNING *
  ), s AS (
    INSERT INTO sessions (id, user_id, created_at, rotated_at, expires_at, rotates, ip, user_agent)
    SELECT $1, owner.id, now(), now(), now() + make_interval(secs => $3::integer), $4, $5, $6 FROM owner
    RETURNING *
  ), event AS (
    INSERT INTO events (id, kind, user_id, session_id, ip, user_agent)
    SELECT gen_random_uuid(), 'login', s.user_id, s.id, s.ip, s.user_agent FROM s
  )`

const CREATE = `${createStatement('AND password_hash = $7')}, refunded AS (
    UPDATE counters SET count = greatest(count - 1, 0) WHERE key = $8 AND EXISTS (SELECT FROM owner)
  )
  SELECT ${SESSION_COLUMNS}, ${ACCOUNT_COLUMNS} FROM s JOIN owner u ON true`

const CREATE_FIRST = `${createStatement('')}
  SELECT ${SESSION_COLUMNS}, ${ACCOUNT_COLUMNS} FROM s JOIN owner u ON true`

const FIND = `
  SELECT asked.ordinal, ${SESSION_COLUMNS}, ${ACCOUNT_COLUMNS}
  FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, ordinal)
  JOIN sessions s ON s.id = asked.id
  JOIN users u ON u.id = s.user_id`

/** An update of one live session at a known generation, together with the event that tells of it. */
const actStatement = (change: string, condition: string) => `
  WITH acted AS (
    UPDATE sessions SET ${change} WHERE id = $1 AND revoked_at IS NULL ${condition} RETURNING id, user_id
  ) `

const HEAL = actStatement(
  'generation = $3, floor_generation = $3, rotated_at = now()',
  'AND generation = $2 AND rotates',
)
const COUNT_LATE_REPLAY = actStatement(
  'late_replays = late_replays + 1, late_generation = generation',
  'AND generation = $2 AND late_generation <> generation',
)
const REVOKE = actStatement(
  'revoked_at = now(), revoked_reason = $3',
  'AND ($2::integer IS NULL OR generation = $2)',
)

/** Sessions and their rotation. */
export function createSessionStore(database: Database, idleTtlSeconds: number): SessionStore {
  const { pool } = database
  const rotator = createRotator(database, idleTtlSeconds)

  async function one(name: string, text: string, values: unknown[]): Promise<SessionView | undefined> {
    const { rows } = await pool.query<SessionRow>({ name, text, values })
    return rows[0] && toSessionView(rows[0])
  }

  async function act(name: string, text: string, values: unknown[], event: SecurityEvent): Promise<boolean> {
    const record = recordActed(event, values.length + 1)
    const { rowCount } = await pool.query({
      name,
      text: text + record.text,
      values: [...values, ...record.values],
    })
    return rowCount === 1
  }

  const columnsOf = ({ id, userId, ttlSeconds, rotates, caller }: NewSession) => [
    id,
    userId,
    ttlSeconds,
    rotates,
    caller.ip,
    caller.userAgent,
  ]

  const find = coalesce<string, SessionView | undefined>(async (ids) => {
    const { rows } = await pool.query<SessionRow & { ordinal: string }>({
      name: 'find_sessions',
      text: FIND,
      values: [ids],
    })
    const views: (SessionView | undefined)[] = ids.map(() => undefined)
    for (const row of rows) views[Number(row.ordinal) - 1] = toSessionView(row)
    return views
  }, 128)

  return {
    ...rotator,
    find,
    create: (session, boughtWith, attemptCounter) =>
      one('create_session', CREATE, [...columnsOf(session), boughtWith, attemptCounter]),
    createFirst: (session) => one('create_first_session', CREATE_FIRST, columnsOf(session)),
    heal: (sessionId, from, to, caller) =>
      act('heal_session', HEAL, [sessionId, from, to], { kind: 'refresh_healed', caller, sessionId }),
    countLateReplay: (sessionId, generation, caller) =>
      act('count_late_replay', COUNT_LATE_REPLAY, [sessionId, generation], {
        kind: 'refresh_lost_answer',
        caller,
        sessionId,
      }),
    revoke: (sessionId, generation, reason, event) =>
      act('revoke_session', REVOKE, [sessionId, generation, reason], event),

    revokeAll: (userId, reason, event) =>
      transaction(database, async (tx) => {
        // A statement of its own: the next one must see the sessions of sign-ins that this lock waited for.
        await tx.select({ id: users.id }).from(users).where(eq(users.id, userId)).for('update')
        const revoked = await tx
          .update(sessions)
          .set({ revokedAt: sql`now()`, revokedReason: reason })
          .where(and(eq(sessions.userId, userId), isNull(sessions.revokedAt)))
          .returning({ id: sessions.id })
        await tx.insert(events).values({
          id: sql`gen_random_uuid()`,
          kind: event.kind,
          userId,
          sessionId: event.sessionId,
          ip: event.caller.ip,
          userAgent: event.caller.userAgent,
        })
        return revoked.map(({ id }) => id)
      }),
  }
}
