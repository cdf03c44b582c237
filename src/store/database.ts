import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import { drizzle } from 'drizzle-orm/node-postgres'
import type { ClientBase, PoolClient } from 'pg'
import { AuthError } from '../core/errors.ts'
import { CountedPool } from './counted-pool.ts'
import { socketByName } from './name-lookup.ts'
import { createLineage } from './origin.ts'

/** The pool, and Drizzle over it. Hot paths hand the pool their prepared statements, the rest goes by Drizzle. */
export interface Database {
  readonly pool: CountedPool
  readonly drizzle: NodePgDatabase
  /** Told how many shared a statement. */
  readonly onBatch: OnBatch
  close(): Promise<void>
}

export type OnBatch = (statement: Batched, size: number) => void
/** Statements that answer for many at once. */
export type Batched = 'rotate' | 'find_sessions' | 'record_events'

export interface DatabaseOptions {
  readonly url: string
  readonly poolMax: number
  /** Told of connections that broke while nobody used them; the pool has dropped them already. */
  readonly onIdleError: (error: Error) => void
  /** Told when an old primary answers in place of the one that has taken over from it. */
  readonly onOldPrimary?: () => void
  readonly onBatch?: OnBatch
}

/** Less by up to this share, so that replicas which started together do not all connect anew together. */
const LIFETIME_SECONDS = 1800
const LIFETIME_JITTER = 0.1

/**
 * Opens the pool. Nothing waits for ever: a connection is had within a second, a statement takes two at most,
 * and the client gives up half a second after the server should have, so that an answer is never later than 3 s.
 * A primary that another has taken over from is not used: it is as if it were away.
 */
export function openDatabase({
  url,
  poolMax,
  onIdleError,
  onOldPrimary = () => undefined,
  onBatch = () => undefined,
}: DatabaseOptions): Database {
  const lineage = createLineage()
  let isTold = false
  const pool = new CountedPool({
    connectionString: url,
    max: poolMax,
    connectionTimeoutMillis: 1000,
    statement_timeout: 2000,
    lock_timeout: 1000,
    query_timeout: 2500,
    idle_in_transaction_session_timeout: 5000,
    idleTimeoutMillis: 30_000,
    maxLifetimeSeconds: Math.round(LIFETIME_SECONDS * (1 - Math.random() * LIFETIME_JITTER)),
    keepAlive: true,
    stream: socketByName,
    application_name: 'keyturn',
    async onConnect(client: ClientBase) {
      const isAdmitted = await lineage.admits(client)
      if (!isAdmitted && !isTold) onOldPrimary()
      // Once, and not for every request that it cannot serve.
      isTold = !isAdmitted
      if (isAdmitted) return
      throw new AuthError('unavailable', { retryAfterSeconds: 1 })
    },
  })
  pool.isSpoilt = lineage.isOvertaken
  // Without both listeners a restart of Postgres would end the process as an unhandled 'error' event.
  pool.on('error', onIdleError)
  pool.on('connect', (client: PoolClient) => client.on('error', () => undefined))
  return { pool, drizzle: drizzle(pool), onBatch, close: () => pool.end() }
}
