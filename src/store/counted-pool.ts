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
  /** Whether a connection may no longer be used; it is closed, and the next one taken. */
  isSpoilt: (client: PoolClient) => boolean = () => false

  override connect(): Promise<PoolClient>
  override connect(callback: Connected): void
  override connect(callback?: Connected): Promise<PoolClient> | undefined {
    if (callback === undefined) {
      return new Promise((resolve, reject) => {
        this.connect((error, client) => (client === undefined ? reject(error) : resolve(client)))
      })
    }
    super.connect((error, client, done) => {
      if (client !== undefined && this.isSpoilt(client)) {
        done(true)
        return this.connect(callback)
      }
      if (error) this.refused += 1
      callback(error, client, done)
    })
    return undefined
  }
}
