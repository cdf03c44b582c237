import type { Database } from './database.ts'

/** What was revoked since a moment, and the database's clock to ask from next time. */
export interface RevokedSince {
  readonly revoked: readonly { readonly sessionId: string; readonly revokedAt: number }[]
  readonly now: number
}

const REVOKED_SINCE = `
  SELECT now() AS now, s.id, s.revoked_at
  FROM (SELECT 1) AS once
  LEFT JOIN sessions s ON s.revoked_at > $1::timestamptz`

/**
 * The session ids revoked after `since` (milliseconds since 1970, the database's clock). Revocations commit out
 * of order, so the caller asks from somewhat before the last answer, and takes what it knows already once more.
 */
export async function findRevokedSince({ pool }: Database, since: number): Promise<RevokedSince> {
  const { rows } = await pool.query<{ now: Date; id: string | null; revoked_at: Date | null }>({
    name: 'revoked_since',
    text: REVOKED_SINCE,
    values: [new Date(since)],
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
