import type { ClientBase } from 'pg'
import { DatabaseError } from 'pg'

/** Which database answers, as far as it tells. */
export interface Origin {
  /** Of the cluster; its copies share it. */
  readonly system: string
  /** Counts the standbys that have taken over since the cluster was made. */
  readonly timeline: number
  /** Another one after each start: by then the disk may be another, or an earlier one. */
  readonly startedAt: string
}

/** The name of a log file begins with the timeline that it belongs to, in hexadecimal. */
const ORIGIN = {
  text: `
  SELECT pg_is_in_recovery() AS is_standby, pg_postmaster_start_time()::text AS started_at,
    (SELECT system_identifier::text FROM pg_control_system()) AS system,
    CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline`,
  query_timeout: 1000,
}
/** No such function, not for this role, not supported, not in this state: such an engine will not tell tomorrow either. */
const DOES_NOT_TELL = /^(?:0A|42|55000)/

interface Told {
  readonly is_standby: boolean
  readonly started_at: string
  readonly system: string
  readonly timeline: string
}

/** `standby` where it has not been promoted yet, `undefined` where the engine does not tell. */
export async function readOrigin(asked: Pick<ClientBase, 'query'>): Promise<Origin | 'standby' | undefined> {
  try {
    const { rows } = await asked.query<Told>(ORIGIN)
    const [told] = rows
    if (told === undefined) return undefined
    if (told.is_standby) return 'standby'
    return { system: told.system, timeline: Number.parseInt(told.timeline, 16), startedAt: told.started_at }
  } catch (error) {
    if (error instanceof DatabaseError && DOES_NOT_TELL.test(error.code ?? '')) return undefined
    throw error
  }
}

/** What one process knows of the primaries that it has met. */
export interface Lineage {
  /**
   * Of a connection that has just been opened.
   * @returns false where a standby has taken over from this database since, or from the one that it is a copy of
   */
  admits(client: ClientBase): Promise<boolean>
  /** Whether a standby has taken over since the connection was opened. */
  isOvertaken(client: ClientBase): boolean
}

/**
 * Whoever has met a primary never again writes to one of a lower timeline of the same cluster: that is the old one,
 * come back beside the new.
 */
export function createLineage(): Lineage {
  const highest = new Map<string, number>()
  const origins = new WeakMap<ClientBase, Origin>()
  const isLower = ({ system, timeline }: Origin) => timeline < (highest.get(system) ?? 0)

  return {
    async admits(client) {
      const origin = await readOrigin(client)
      if (origin === undefined || origin === 'standby') return true
      if (isLower(origin)) return false
      highest.set(origin.system, origin.timeline)
      origins.set(client, origin)
      return true
    },
    isOvertaken(client) {
      const origin = origins.get(client)
      return origin !== undefined && isLower(origin)
    },
  }
}
