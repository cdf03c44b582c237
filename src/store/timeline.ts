import type { Database } from './database.ts'
import type { Origin } from './origin.ts'
import { readOrigin } from './origin.ts'

/** Whether it is still the database whose commits we know. */
export interface TimelineWatch {
  /** The listener's connection broke, or time has passed: another database may answer now. New ones of the pool are noticed anyway. */
  suspect(): void
  /**
   * Writes back what we remember as revoked, where a standby has taken over since it was last asked, or the database
   * was started again, be it from a backup: it may lack the last commits. Does nothing while nothing is suspected.
   * @returns how many sessions were alive again
   */
  settle(revoked: () => Iterable<string>): Promise<number>
}

/** Which verb it was is not remembered, and of all of them only this one accuses nobody. */
const WRITE_BACK = `
  UPDATE sessions SET revoked_at = now(), revoked_reason = 'logout' WHERE id = ANY($1::uuid[]) AND revoked_at IS NULL`
/** Of one statement, so that none takes longer than it may. */
const AT_ONCE_MAX = 10_000

export function watchTimeline({ pool }: Database): TimelineWatch {
  let known: Origin | undefined
  let isSuspect = true
  // Where the one before was, another database may have answered this connection.
  pool.on('connect', () => {
    isSuspect = true
  })

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
        const found = await readOrigin(pool)
        // It may be promoted at any moment, and the connection stays.
        if (found === 'standby') isSuspect = true
        if (found === undefined || found === 'standby') return 0
        const written = known === undefined || isSame(known, found) ? 0 : await writeBack([...revoked()])
        known = found
        return written
      } catch (error) {
        isSuspect = true
        throw error
      }
    },
  }
}

/** A copy that is put back has the system and the timeline of the original, and every commit before it: only its start tells. */
function isSame(known: Origin, found: Origin): boolean {
  return (
    known.system === found.system && known.timeline === found.timeline && known.startedAt === found.startedAt
  )
}
