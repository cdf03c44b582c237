import type { Pool, PoolClient, QueryConfig, QueryResult, QueryResultRow } from 'pg'

export interface HeldConnection<Row extends QueryResultRow> {
  /** One statement at a time. Rejects as the pool's own `query` does, and the connection is then gone. */
  query(statement: QueryConfig): Promise<QueryResult<Row>>
}

/** After so many it goes back in spite of all work, so that the pool can retire it when its time has come. */
const STATEMENTS_MAX = 1000

/**
 * A connection of the pool for statements that follow each other: kept from one to the next, and given back when
 * none has followed by the end of the event loop's turn. The pool itself hands a connection out only after all
 * who wait for an answer have acted on it, and Postgres would be idle meanwhile.
 */
export function holdConnection<Row extends QueryResultRow>(pool: Pool): HeldConnection<Row> {
  let held: PoolClient | undefined
  let statements = 0
  let isBusy = false

  function giveBack(error?: Error): void {
    held?.release(error)
    held = undefined
    statements = 0
  }

  return {
    async query(statement) {
      isBusy = true
      try {
        held ??= await pool.connect()
        const result = await held.query<Row>(statement)
        statements += 1
        if (statements >= STATEMENTS_MAX) giveBack()
        return result
      } catch (error) {
        giveBack(error instanceof Error ? error : undefined)
        throw error
      } finally {
        isBusy = false
        setImmediate(() => isBusy || giveBack())
      }
    },
  }
}
