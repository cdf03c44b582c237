import type { SQL } from 'drizzle-orm'
import { sql } from 'drizzle-orm'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import {
  ENDED_SESSIONS_KEPT_SECONDS,
  EVENTS_KEPT_SECONDS,
  erasedKeptSeconds,
  FORMER_EMAILS_KEPT_SECONDS,
  LETTERS_KEPT_SECONDS,
  revokedKeptSeconds,
} from '../core/retention.ts'
import type { Database } from './database.ts'
import { withStoreFailures } from './failure.ts'
import { transaction } from './transaction.ts'

/** Lifetimes that decide what is over. */
export interface SweepAges {
  /** UNVERIFIED_TTL. */
  readonly unverifiedTtlSeconds: number
  /** REFRESH_IDLE_TTL. */
  readonly refreshIdleTtlSeconds: number
  /** The longest life of an access token. */
  readonly accessTtlSeconds: number
}

/** How many rows of each kind a round has removed. */
export type Swept = Readonly<Record<string, number>>

export interface Sweep {
  /**
   * Removes what is over, oldest first, in batches that are transactions of their own, so that no lock is held for
   * long. While another replica is at it, it does nothing; what one round leaves, the next one takes.
   */
  round(): Promise<Swept>
}

const BATCH = 500
/** Of one kind in one round: a flood is carried off over some minutes and not in one go. */
const BATCHES_MAX = 20
/** "keyturn" in ASCII and one more: advisory locks are shared by all programs on a database. */
const SWEEP_LOCK = '30229394827342447'

/**
 * Deletes up to a batch of a table's rows. `isOver` is judged twice: when a row is chosen, under a lock that passes over
 * rows that somebody else holds, and once more on the row as it is when it goes. An account that is confirmed at this
 * very moment stays.
 */
function deletion(table: string, key: string, age: string, isOver: SQL): SQL {
  const [rows, id, order] = [sql.identifier(table), sql.identifier(key), sql.identifier(age)]
  return sql`
    WITH doomed AS (
      SELECT ${id} AS id FROM ${rows} WHERE ${isOver} ORDER BY ${order} LIMIT ${BATCH} FOR UPDATE SKIP LOCKED
    )
    DELETE FROM ${rows} USING doomed WHERE ${rows}.${id} = doomed.id AND ${isOver}`
}

const before = (seconds: number) => sql`now() - make_interval(secs => ${seconds})`

function deletions({ unverifiedTtlSeconds, accessTtlSeconds }: SweepAges): Readonly<Record<string, SQL>> {
  return {
    // Nothing but the letter was waited for: whoever was disabled by hand is an operator's decision.
    unconfirmed_accounts: deletion(
      'users',
      'id',
      'created_at',
      sql`activated_at IS NULL AND email_verified_at IS NULL AND disabled_at IS NULL
          AND created_at < ${before(unverifiedTtlSeconds)}`,
    ),
    erased_accounts: deletion(
      'users',
      'id',
      'erased_at',
      sql`erased_at < ${before(erasedKeptSeconds(accessTtlSeconds))}`,
    ),
    expired_sessions: deletion(
      'sessions',
      'id',
      'expires_at',
      sql`expires_at < ${before(ENDED_SESSIONS_KEPT_SECONDS)}`,
    ),
    revoked_sessions: deletion(
      'sessions',
      'id',
      'revoked_at',
      sql`revoked_at < ${before(revokedKeptSeconds(accessTtlSeconds))}`,
    ),
    events: deletion('events', 'id', 'at', sql`at < ${before(EVENTS_KEPT_SECONDS)}`),
    letters: deletion(
      'outbox',
      'id',
      'created_at',
      sql`(sent_at IS NOT NULL OR failed_at IS NOT NULL) AND created_at < ${before(LETTERS_KEPT_SECONDS)}`,
    ),
    counters: deletion('counters', 'key', 'window_ends_at', sql`window_ends_at < now()`),
    former_emails: deletion(
      'former_emails',
      'id',
      'replaced_at',
      sql`replaced_at < ${before(FORMER_EMAILS_KEPT_SECONDS)}`,
    ),
    mailbox: deletion('mailbox', 'id', 'sent_at', sql`sent_at < ${before(LETTERS_KEPT_SECONDS)}`),
  }
}

/** Before every id there is. */
const FIRST_ID = '00000000-0000-0000-0000-000000000000'

/**
 * One page of the sessions after `cursor`, without those that nobody refreshed for so long. Of `rotated_at` there may
 * be no index (schema.ts), so the table is walked along its key, a few pages a round.
 */
function idlePage(cursor: string, { refreshIdleTtlSeconds }: SweepAges): SQL {
  const isOver = sql`s.rotates AND s.rotated_at < ${before(refreshIdleTtlSeconds + ENDED_SESSIONS_KEPT_SECONDS)}`
  return sql`
    WITH page AS (SELECT id FROM sessions WHERE id > ${cursor} ORDER BY id LIMIT ${BATCH}),
    doomed AS (SELECT s.id FROM sessions s JOIN page ON page.id = s.id WHERE ${isOver} FOR UPDATE OF s SKIP LOCKED),
    deleted AS (DELETE FROM sessions s USING doomed WHERE s.id = doomed.id AND ${isOver} RETURNING s.id)
    SELECT (SELECT count(*)::integer FROM deleted) AS deleted, (SELECT id FROM page ORDER BY id DESC LIMIT 1) AS last`
}

interface IdlePage extends Record<string, unknown> {
  readonly deleted: number
  /** The last id of the page; null behind the end of the table. */
  readonly last: string | null
}

/** The sweep of a process; it remembers how far it has walked. */
export function createSweep(database: Database, ages: SweepAges): Sweep {
  const statements = Object.entries(deletions(ages))
  let cursor = FIRST_ID

  /** In a transaction of its own, or `undefined` while another replica is at it. */
  function inTurn<T>(work: (tx: NodePgDatabase) => Promise<T>): Promise<T | undefined> {
    return transaction(database, async (tx) => {
      const { rows } = await tx.execute<{ mine: boolean }>(
        sql`SELECT pg_try_advisory_xact_lock(${SWEEP_LOCK}::bigint) AS mine`,
      )
      return rows[0]?.mine === true ? work(tx) : undefined
    })
  }

  async function walkPage(): Promise<number | undefined> {
    const page = await inTurn(async (tx) => (await tx.execute<IdlePage>(idlePage(cursor, ages))).rows[0])
    if (page === undefined) return undefined
    cursor = page.last ?? FIRST_ID
    return page.deleted
  }

  return withStoreFailures({
    async round() {
      const swept: Record<string, number> = {}
      const note = (kind: string, deleted: number) => {
        if (deleted > 0) swept[kind] = (swept[kind] ?? 0) + deleted
      }
      for (const [kind, statement] of statements) {
        for (let count = 0; count < BATCHES_MAX; count += 1) {
          const deleted = await inTurn(async (tx) => (await tx.execute(statement)).rowCount ?? 0)
          if (deleted === undefined) return swept
          note(kind, deleted)
          if (deleted < BATCH) break
        }
      }
      for (let count = 0; count < BATCHES_MAX; count += 1) {
        const deleted = await walkPage()
        if (deleted === undefined) return swept
        note('idle_sessions', deleted)
        if (cursor === FIRST_ID) break
      }
      return swept
    },
  })
}
