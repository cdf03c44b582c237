import { DrizzleQueryError } from 'drizzle-orm/errors'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import { drizzle } from 'drizzle-orm/node-postgres'
import { DatabaseError } from 'pg'
import { AuthError } from '../core/errors.ts'
import type { Database } from './database.ts'
import { StoreError } from './failure.ts'

const IN_FAILED_TRANSACTION = '25P02'

/**
 * Runs `work` in one transaction and returns what it returned, committed. What `work` throws is thrown on after
 * the rollback.
 *
 * Drizzle's own `transaction()` keeps the client when BEGIN fails and hides the first error behind that of the
 * ROLLBACK; here the client always goes back, and goes for good when its state is not known.
 */
export async function transaction<T>(
  database: Database,
  work: (tx: NodePgDatabase) => Promise<T>,
): Promise<T> {
  const client = await database.pool.connect()
  let broken: Error | boolean = true
  try {
    await client.query('BEGIN')
    const result = await work(drizzle(client))
    const { command } = await client.query('COMMIT')
    broken = false
    // A statement had failed, whatever `work` made of that: such a COMMIT is a ROLLBACK, and only its tag says so.
    if (command !== 'COMMIT') throw new StoreError(IN_FAILED_TRANSACTION, undefined)
    return result
  } catch (error) {
    // Without a SQLSTATE it was not Postgres that said no: the connection is gone or silent, and would not answer a
    // ROLLBACK either. Its end is one.
    if (wasRefusedByPostgres(error)) {
      broken = await client.query('ROLLBACK').then(
        () => false,
        (rollbackError: Error) => rollbackError,
      )
    }
    throw error
  } finally {
    client.release(broken)
  }
}

function wasRefusedByPostgres(error: unknown): boolean {
  const cause = error instanceof DrizzleQueryError ? error.cause : error
  return !(cause instanceof Error) || cause instanceof DatabaseError || cause instanceof AuthError
}
