import { DatabaseError } from 'pg'
import type { Database } from './database.ts'

/** Whether it is still the database whose commits we know. */
export interface TimelineWatch {
  /** The listener's connection broke, or time has passed: another database may answer now. New ones of the pool are noticed anyway. */
  suspect(): void
  /**
   * Writes back what we remember as revoked, where a standby has taken over since it was last asked, or a backup: it
   * may lack the last commits of the one before. Does nothing while nothing is suspected.
   * @returns how many sessions were alive again
   */
  settle(revoked: () => Iterable<string>): Promise<number>
}

/** The name of a log file begins with the timeline that it belongs to. */
const TIMELINE = 'SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline'
/** Which verb it was is not remembered, and of all of them only this one accuses nobody. */
const WRITE_BACK = `
  UPDATE sessions SET revoked_at = now(), revoked_reason = 'logout' WHERE id = ANY($1::uuid[]) AND revoked_at IS NULL`
/** Of one statement, so that none takes longer than it may. */
const AT_ONCE_MAX = 10_000

export function watchTimeline({ pool }: Database): TimelineWatch {
  let known: string | undefined
  let isSuspect = true
  // Where the one before was, another database may have answered this connection.
  pool.on('connect', () => {
    isSuspect = true
  })

  /** `undefined` where the engine does not tell, and from a standby that is not promoted yet. */
  async function read(): Promise<string | undefined> {
    try {
      const { rows } = await pool.query<{ timeline: string }>({ name: 'timeline', text: TIMELINE })
      return rows[0]?.timeline
    } catch (error) {
      if (error instanceof DatabaseError) return undefined
      throw error
    }
  }

  async function writeBack(sessionIds: readonly string[]): Promise<number> {
    let written = 0
    for (let from = 0; from < sessionIds.length; from += AT_ONCE_MAX) {
      const values = [sessionIds.slice(from, from + AT_ONCE_MAX)]
      written += (await pool.query({ name: 'write_back', text: WRITE_BACK, values })).rowCount ?? 0
    }
    return written
  }

  return {
    suspect() {
      isSuspect = true
    },
    async settle(revoked) {
      if (!isSuspect) return 0
      // Before it is asked: what breaks from here on is a suspicion of its own.
      isSuspect = false
      try {
        const found = await read()
        const hasChanged = known !== undefined && found !== undefined && found !== known
        const written = hasChanged ? await writeBack([...revoked()]) : 0
        known = found ?? known
        return written
      } catch (error) {
        isSuspect = true
        throw error
      }
    },
  }
}
