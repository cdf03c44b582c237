import { v7 as uuidV7 } from 'uuid'
import type { EventStore, SecurityEvent } from '../core/ports.ts'
import { coalesce } from './coalesce.ts'
import type { Database } from './database.ts'

const RECORD = `
  INSERT INTO events (id, kind, user_id, session_id, ip, user_agent, reason)
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::uuid[], $5::inet[], $6::text[], $7::text[])`

/** The security record. Events that come together are written together: a storm of replays is a few statements. */
export function createEventStore({ pool, onBatch }: Database): EventStore {
  const record = coalesce<SecurityEvent, undefined>(
    async (events) => {
      await pool.query({
        name: 'record_events',
        text: RECORD,
        values: [
          events.map(() => uuidV7()),
          events.map(({ kind }) => kind),
          events.map(({ userId }) => userId),
          events.map(({ sessionId }) => sessionId),
          events.map(({ caller }) => caller.ip),
          events.map(({ caller }) => caller.userAgent),
          events.map(({ reason }) => reason),
        ],
      })
      return events.map(() => undefined)
    },
    128,
    (size) => onBatch('record_events', size),
  )
  return { record }
}

/**
 * The end of a statement that records what it does: an event about each row of its CTE `acted (id, user_id)`, a
 * session and its user. `first` is the number of the first parameter that belongs to the event.
 */
export function recordActed(event: SecurityEvent, first: number): { text: string; values: unknown[] } {
  const [id, kind, ip, userAgent, reason] = [0, 1, 2, 3, 4].map((offset) => `$${first + offset}`)
  return {
    text: `INSERT INTO events (id, kind, user_id, session_id, ip, user_agent, reason)
      SELECT ${id}, ${kind}, acted.user_id, acted.id, ${ip}::inet, ${userAgent}, ${reason} FROM acted`,
    values: [uuidV7(), event.kind, event.caller.ip, event.caller.userAgent, event.reason],
  }
}
