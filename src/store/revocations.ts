import { RECORD_BYTES } from '../core/revocation-log.ts'
import type { Database } from './database.ts'

/** What was revoked since a moment, and the database's clock to ask from next time, milliseconds since 1970. */
export interface RevokedSince {
  /** The oldest first: 16 bytes of session id, 8 of the time in milliseconds since 1970, big-endian. */
  readonly records: Buffer
  readonly now: number
}

/** Of one statement, so that none takes longer than it may, however much is revoked at once. */
const PAGE = 50_000

/** One value for all of them: as rows, a hundred thousand would stop the process for a fifth of a second. */
const REVOKED_SINCE = `
  SELECT date_part('epoch', now()) * 1000 AS now_ms, (
    SELECT string_agg(
      uuid_send(id) || int8send((date_part('epoch', revoked_at) * 1000)::bigint), ''::bytea ORDER BY revoked_at, id
    )
    FROM (
      SELECT id, revoked_at FROM sessions
      WHERE revoked_at > coalesce($1::timestamptz, now()) - make_interval(secs => $2::float8)
        AND (revoked_at, id) > ($3::timestamptz, $4::uuid)
      ORDER BY revoked_at, id LIMIT ${PAGE}
    ) AS page
  ) AS records`
const FROM_THE_FIRST = ['-infinity', '00000000-0000-0000-0000-000000000000']

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
  const pages: Buffer[] = []
  let from = since
  let clock: number | undefined
  let after: readonly string[] = FROM_THE_FIRST
  for (;;) {
    const { rows } = await pool.query<{ now_ms: number; records: Buffer | null }>({
      name: 'revoked_since',
      text: REVOKED_SINCE,
      values: [from === undefined ? null : new Date(from), overlapSeconds, ...after],
    })
    const [first] = rows
    if (first === undefined) throw new Error('the clock of the database is missing from the answer')
    const page = first.records ?? Buffer.alloc(0)
    pages.push(page)
    const now = Math.round(first.now_ms)
    // That of the first page: what was committed after it may stand in no page.
    from ??= now
    clock ??= now
    if (page.length < PAGE * RECORD_BYTES) return { records: Buffer.concat(pages), now: clock }
    after = keyOf(page.subarray(-RECORD_BYTES))
  }
}

/** Of a record, by which the next page begins. */
function keyOf(record: Buffer): readonly string[] {
  return [new Date(Number(record.readBigInt64BE(16))).toISOString(), record.toString('hex', 0, 16)]
}
