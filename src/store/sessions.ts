import { and, eq, sql } from 'drizzle-orm'
import { v7 as uuidV7 } from 'uuid'
import { deviceLabel } from '../core/device-label.ts'
import { VERDICT_EVENTS } from '../core/events.ts'
import { LETTER_WINDOW_SECONDS, LETTERS_PER_ACCOUNT } from '../core/policy.ts'
import type { NewSession, SecurityEvent, SessionStore, SessionView } from '../core/ports.ts'
import { coalesce } from './coalesce.ts'
import type { Database } from './database.ts'
import { recordActed } from './events.ts'
import { record, revokeSessions } from './in-transaction.ts'
import { isSameDevice } from './known-device.ts'
import { countStatement, factsOf } from './letters.ts'
import { createRotator } from './rotation.ts'
import type { SessionRow } from './rows.ts'
import { ACCOUNT_COLUMNS, SESSION_COLUMNS, toSessionView } from './rows.ts'
import { users } from './schema.ts'
import { transaction } from './transaction.ts'

/** `owner` locks the user's row until the session is there: a password change waits for it, or it for the change. */
const createStatement = (ownerCondition: string) => `
  WITH owner AS (
    UPDATE users SET last_login_at = now()
    WHERE id = $2 AND disabled_at IS NULL AND activated_at IS NOT NULL ${ownerCondition}
    RETURNING *
  ), s AS (
    INSERT INTO sessions (id, user_id, created_at, rotated_at, expires_at, rotates, ip, user_agent, label)
    SELECT $1, owner.id, now(), now(), now() + make_interval(secs => $3::integer), $4, $5, $6, $8 FROM owner
    RETURNING *
  ), event AS (
    INSERT INTO events (id, kind, user_id, session_id, ip, user_agent)
    SELECT $7::uuid, 'login', s.user_id, s.id, s.ip, s.user_agent FROM s
  )`

/**
 * Every part of a statement sees the tables as they were before it: `users.last_login_at` is that of the sign-in
 * before, and none of the sessions and events is the one just made. Without a sign-in in the record no device can be
 * known: whoever was moved in from another service would hear of their own phone, all of them on one day.
 */
const NEW_DEVICE_LETTER = `
  stranger AS (
    SELECT s.user_id, s.label, s.ip
    FROM s JOIN users before ON before.id = s.user_id
    WHERE before.last_login_at IS NOT NULL AND before.email_verified_at IS NOT NULL AND before.email_key <> ''
      AND EXISTS (SELECT FROM events e WHERE e.user_id = s.user_id AND e.kind = 'login')
      AND NOT EXISTS (
        SELECT FROM sessions known WHERE known.user_id = s.user_id AND ${isSameDevice('s.ip', 's.user_agent', 'known')}
      )
  ), counted AS (
    ${countStatement(`'new_device:' || stranger.user_id`, LETTER_WINDOW_SECONDS, 'FROM stranger')}
  ), letter AS (
    INSERT INTO outbox (id, kind, user_id, facts)
    SELECT $11::uuid, 'new_device', stranger.user_id, ${factsOf('stranger.label', 'stranger.ip')}
    FROM stranger, counted WHERE counted.count <= ${LETTERS_PER_ACCOUNT}
  )`

const CREATE = `${createStatement('AND password_hash = $9')}, refunded AS (
    UPDATE counters SET count = greatest(count - 1, 0) WHERE key = $10 AND EXISTS (SELECT FROM owner)
  ), ${NEW_DEVICE_LETTER}
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
    UPDATE sessions SET ${change} WHERE id = $1 AND revoked_at IS NULL ${condition} RETURNING id, user_id, label
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
/** The same, and a letter to the owner: whose device it was, and where its token turned up again. */
const REVOKE_STOLEN = `${REVOKE.trimEnd()}, letter AS (
    INSERT INTO outbox (id, kind, user_id, facts)
    SELECT $4::uuid, 'session_ended', acted.user_id, ${factsOf('acted.label', '$5::inet')} FROM acted
  ) `

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
    uuidV7(),
    deviceLabel(caller.userAgent),
  ]

  const find = coalesce<string, SessionView | undefined>(
    async (ids) => {
      const { rows } = await pool.query<SessionRow & { ordinal: string }>({
        name: 'find_sessions',
        text: FIND,
        values: [ids],
      })
      const views: (SessionView | undefined)[] = ids.map(() => undefined)
      for (const row of rows) views[Number(row.ordinal) - 1] = toSessionView(row)
      return views
    },
    128,
    (size) => database.onBatch('find_sessions', size),
  )

  return {
    ...rotator,
    find,
    create: (session, boughtWith, attemptCounter) =>
      one('create_session', CREATE, [...columnsOf(session), boughtWith, attemptCounter, uuidV7()]),
    createFirst: (session) => one('create_first_session', CREATE_FIRST, columnsOf(session)),
    heal: (sessionId, from, to, caller) =>
      act('heal_session', HEAL, [sessionId, from, to], { kind: VERDICT_EVENTS.healed, caller, sessionId }),
    countLateReplay: (sessionId, generation, caller) =>
      act('count_late_replay', COUNT_LATE_REPLAY, [sessionId, generation], {
        kind: VERDICT_EVENTS.lost_answer,
        caller,
        sessionId,
      }),
    revoke(sessionId, generation, reason, event) {
      const values = [sessionId, generation, reason]
      return reason === 'theft'
        ? act('revoke_stolen_session', REVOKE_STOLEN, [...values, uuidV7(), event.caller.ip], event)
        : act('revoke_session', REVOKE, values, event)
    },

    revokeAllFor: ({ userId, sessionId }, reason, event) =>
      transaction(database, async (tx) => {
        // Also by a session that has ended meanwhile: of two who ask at once both are told that it is done.
        const own = sql`EXISTS (SELECT FROM sessions own WHERE own.id = ${sessionId} AND own.user_id = ${userId})`
        const [owner] = await tx
          .select({ id: users.id })
          .from(users)
          .where(and(eq(users.id, userId), own))
          .for('update')
        if (owner === undefined) return undefined
        await record(tx, userId, event)
        return revokeSessions(tx, userId, reason, { idleTtlSeconds })
      }),

    revokeAll: (userId, reason, event) =>
      transaction(database, async (tx) => {
        // A statement of its own: the next one must see the sessions of sign-ins that this lock waited for.
        await tx.select({ id: users.id }).from(users).where(eq(users.id, userId)).for('update')
        await record(tx, userId, event)
        return revokeSessions(tx, userId, reason, { idleTtlSeconds })
      }),
  }
}
