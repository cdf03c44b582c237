import pg from 'pg'
import type { EventKind } from '../../src/core/events.ts'
import { coalesce } from '../../src/store/coalesce.ts'
import { STAND_STILL } from './keyturn-clock.ts'

/** A row of `sessions` as it was, for as far as a refresh or a revocation changes it. */
export interface Snapshot {
  readonly generation: number
  readonly seen_generation: number
  readonly late_generation: number
  readonly late_replays: number
  readonly floor_generation: number
  readonly rotated_at: Date
  readonly retry_key: Buffer | null
  readonly revoked_at: Date | null
  readonly revoked_reason: string | null
}

/** What the adapter does to the database behind Keyturn's back: time, and the loss of commits. */
export interface Rows {
  /** Lets time pass for a session, by making it older; as it is then. */
  age(sessionId: string, ms: number): Promise<Snapshot | undefined>
  /** Puts a row back to what it was, so much older. */
  restore(sessionId: string, snapshot: Snapshot, ms: number): Promise<void>
  /** How many events of this kind the record holds of whoever calls himself so. */
  countEvents(sessionId: string, kind: EventKind, userAgent: string): Promise<number>
  remove(sessionId: string): Promise<void>
  close(): Promise<void>
}

const AGE = `
  UPDATE sessions s SET
    created_at = s.created_at - older.by, expires_at = s.expires_at - older.by, rotated_at = s.rotated_at - older.by
  FROM (
    SELECT id, make_interval(secs => ms / 1000.0) AS by, ordinal
    FROM unnest($1::uuid[], $2::float8[]) WITH ORDINALITY AS asked (id, ms, ordinal)
  ) older
  WHERE s.id = older.id
  RETURNING older.ordinal, s.generation, s.seen_generation, s.late_generation, s.late_replays, s.floor_generation,
    s.rotated_at, s.retry_key, s.revoked_at, s.revoked_reason`

const RESTORE = `
  UPDATE sessions SET generation = $2, seen_generation = $3, late_generation = $4, late_replays = $5,
    floor_generation = $6, rotated_at = $7, retry_key = $8, revoked_at = $9, revoked_reason = $10
  WHERE id = $1`

const COUNT_EVENTS = `
  SELECT asked.ordinal, count(e.id)::integer AS times
  FROM unnest($1::uuid[], $2::text[], $3::text[]) WITH ORDINALITY AS asked (id, kind, user_agent, ordinal)
  LEFT JOIN events e ON e.session_id = asked.id AND e.kind = asked.kind AND e.user_agent = asked.user_agent
  GROUP BY asked.ordinal`

const REMOVE = 'DELETE FROM sessions WHERE id = ANY ($1::uuid[])'
const BATCH_MAX = 256

/** Takes a migrated database in hand: its clock stands still from then on, for connections made later. */
export async function openRows(url: string): Promise<Rows> {
  const pool = new pg.Pool({ connectionString: url, max: 4 })
  pool.on('error', () => undefined)
  const database = new URL(url).pathname.slice(1)
  await pool.query(STAND_STILL(database))
  // Nobody else asks by session, and a scan of all events for each schedule would take longer than the schedule.
  await pool.query('CREATE INDEX ON events (session_id)')

  const age = coalesce<{ id: string; ms: number }, Snapshot | undefined>(async (asks) => {
    const { rows } = await pool.query<Snapshot & { ordinal: string }>({
      name: 'age',
      text: AGE,
      values: [asks.map(({ id }) => id), asks.map(({ ms }) => ms)],
    })
    const aged: (Snapshot | undefined)[] = asks.map(() => undefined)
    for (const row of rows) aged[Number(row.ordinal) - 1] = row
    return aged
  }, BATCH_MAX)

  const count = coalesce<{ id: string; kind: EventKind; userAgent: string }, number>(async (asks) => {
    const { rows } = await pool.query<{ ordinal: string; times: number }>({
      name: 'count_events',
      text: COUNT_EVENTS,
      values: [
        asks.map(({ id }) => id),
        asks.map(({ kind }) => kind),
        asks.map(({ userAgent }) => userAgent),
      ],
    })
    const counts = asks.map(() => 0)
    for (const { ordinal, times } of rows) counts[Number(ordinal) - 1] = times
    return counts
  }, BATCH_MAX)

  const remove = coalesce<string, undefined>(async (ids) => {
    await pool.query({ name: 'remove', text: REMOVE, values: [ids] })
    return ids.map(() => undefined)
  }, BATCH_MAX)

  return {
    age: (id, ms) => age({ id, ms }),
    async restore(id, snapshot, ms) {
      const rotatedAt = new Date(snapshot.rotated_at.getTime() - ms)
      const { generation, seen_generation, late_generation, late_replays, floor_generation } = snapshot
      const { retry_key, revoked_at, revoked_reason } = snapshot
      await pool.query({
        name: 'restore',
        text: RESTORE,
        values: [
          ...[id, generation, seen_generation, late_generation, late_replays, floor_generation],
          ...[rotatedAt, retry_key, revoked_at, revoked_reason],
        ],
      })
    },
    countEvents: (id, kind, userAgent) => count({ id, kind, userAgent }),
    remove: (id) => remove(id),
    close: () => pool.end(),
  }
}
