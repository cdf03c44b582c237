import type { Database } from './database.ts'

/** What was revoked since a moment, and the database's clock to ask from next time. */
export interface RevokedSince {
  readonly revoked: readonly { readonly sessionId: string; readonly revokedAt: number }[]
  readonly now: number
}

const REVOKED_SINCE = `
  SELECT now() AS now, s.id, s.revoked_at
  FROM (SELECT 1) AS once
  LEFT JOIN sessions s ON s.revoked_at > coalesce($1::timestamptz, now()) - make_interval(secs => $2::float8)
  ORDER BY s.revoked_at`

/**
 * The session ids revoked after `overlapSeconds` before `since`, the oldest first; `since` is the clock of an earlier
 * answer, or `undefined` for the database's clock now. Revocations commit out of order, so the caller asks for an
 * overlap and takes what it knows already once more.
 */
export async function findRevokedSince(
  { pool }: Database,
  since: number | undefined,
  overlapSeconds: number,
): Promise<RevokedSince> {
  const { rows } = await pool.query<{ now: Date; id: string | null; revoked_at: Date | null }>({
    name: 'revoked_since',
    text: REVOKED_SINCE,
    values: [since === undefined ? null : new Date(since), overlapSeconds],
  })
  const [first] = rows
  if (first === undefined) throw new Error('the clock of the database is missing from the answer')
  return {
    revoked: rows.flatMap(({ id, revoked_at }) =>
      id === null || revoked_at === null ? [] : [{ sessionId: id, revokedAt: revoked_at.getTime() }],
    ),
    now: first.now.getTime(),
  }
}
