import type { Database } from './database.ts'

/** What was revoked since a moment, and the database's clock to ask from next time, milliseconds since 1970. */
export interface RevokedSince {
  /** The oldest first: 16 bytes of session id, 8 of the time in milliseconds since 1970, big-endian. */
  readonly records: Buffer
  readonly now: number
}

/** One value for all of them: as rows, a hundred thousand would stop the process for a fifth of a second. */
const REVOKED_SINCE = `
  SELECT date_part('epoch', now()) * 1000 AS now_ms, (
    SELECT string_agg(
      uuid_send(id) || int8send((date_part('epoch', revoked_at) * 1000)::bigint), ''::bytea ORDER BY revoked_at
    )
    FROM sessions
    WHERE revoked_at > coalesce($1::timestamptz, now()) - make_interval(secs => $2::float8)
  ) AS records`

/**
 * The sessions revoked after `overlapSeconds` before `since`; `since` is the clock of an earlier answer, or `undefined`
 * for the database's clock now. Revocations commit out of order, so the caller asks for an overlap and takes what it
 * knows already once more.
 */
export async function findRevokedSince(
  { pool }: Database,
  since: number | undefined,
  overlapSeconds: number,
): Promise<RevokedSince> {
  const { rows } = await pool.query<{ now_ms: number; records: Buffer | null }>({
    name: 'revoked_since',
    text: REVOKED_SINCE,
    values: [since === undefined ? null : new Date(since), overlapSeconds],
  })
  const [first] = rows
  if (first === undefined) throw new Error('the clock of the database is missing from the answer')
  return { records: first.records ?? Buffer.alloc(0), now: Math.round(first.now_ms) }
}
