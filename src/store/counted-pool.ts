import type { PoolClient } from 'pg'
import { Pool } from 'pg'

type Connected = (
  error: Error | undefined,
  client: PoolClient | undefined,
  done: (release?: unknown) => void,
) => void

/** A pool that counts how often it had no connection to give, for the pool itself tells only who asked. */
export class CountedPool extends Pool {
  refused = 0

  override connect(): Promise<PoolClient>
  override connect(callback: Connected): void
  override connect(callback?: Connected): Promise<PoolClient> | undefined {
    if (callback === undefined) {
      return super.connect().catch((error: unknown) => {
        this.refused += 1
        throw error
      })
    }
    super.connect((error, client, done) => {
      if (error) this.refused += 1
      callback(error, client, done)
    })
    return undefined
  }
}
