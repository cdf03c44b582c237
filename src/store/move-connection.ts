import pg from 'pg'
import type { MovedAccount, MoveStore } from '../core/move-ports.ts'
import { readAllAccounts } from './all-accounts.ts'
import { withStoreFailures } from './failure.ts'
import { MoveError } from './move-error.ts'
import { createMoveStore } from './moved-accounts.ts'

/** A connection of its own for what takes longer than any request may. */
export interface MoveConnection {
  readonly store: MoveStore
  /** Every account that is there, with its hash, as of one moment, in batches, by id. */
  accounts(): AsyncGenerator<MovedAccount[]>
  /** Runs the work and takes back all that it did. */
  rehearse<T>(work: () => Promise<T>): Promise<T>
  /** Sees to it that what was done is on disk, and that Postgres knows how the table looks now. */
  settle(): Promise<void>
  close(): Promise<void>
}

/**
 * Connects to the database of the service.
 * @throws MoveError that says what to do, never with the password of the URL
 */
export async function openMoveConnection(url: string): Promise<MoveConnection> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'keyturn moving',
  })
  // A connection that breaks between two queries would otherwise end the process; the next query reports it.
  client.on('error', () => undefined)
  try {
    await client.connect()
    // Durable at the end and not at each batch: what a crash takes back, the next run brings again.
    await client.query(
      `SET TimeZone = 'UTC'; SET statement_timeout = 0; SET synchronous_commit = off; SET jit = off`,
    )
    const { rows } = await client.query(`SELECT to_regclass('users') IS NOT NULL AS there`)
    if (rows[0]?.there !== true)
      throw new MoveError('The database of DATABASE_URL has no tables of Keyturn yet. Run: keyturn migrate')
  } catch (error) {
    await client.end().catch(() => undefined)
    if (error instanceof MoveError) throw error
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
    throw new MoveError(
      `The database of DATABASE_URL cannot be used${code}. Is it running, and are user and password right?`,
    )
  }
  return {
    store: withStoreFailures(createMoveStore(client)),
    accounts: () => readAllAccounts(client),
    async rehearse(work) {
      await client.query('BEGIN')
      try {
        return await work()
      } finally {
        await client.query('ROLLBACK')
      }
    },
    async settle() {
      await client.query('SET synchronous_commit = on')
      await client.query('ANALYZE users')
    },
    close: () => client.end(),
  }
}
