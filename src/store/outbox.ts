import { POINT_LOST } from '../core/letter.ts'
import type { DueLetter, OutboxState, OutboxStore } from '../core/letter-ports.ts'
import type { LetterFacts, LetterKind } from '../core/ports.ts'
import type { ChangeableRow } from './changeable.ts'
import { CHANGEABLE_COLUMNS, toChangeable } from './changeable.ts'
import type { Database } from './database.ts'
import { admitRequests } from './letter-requests.ts'

const IS_OPEN = 'sent_at IS NULL AND failed_at IS NULL'

/** The millisecond: `next_attempt_at` was rounded to one, and may lie ahead of the commit that wrote it. */
const TAKE = `
  WITH due AS (
    SELECT id FROM outbox WHERE ${IS_OPEN} AND next_attempt_at <= now() + interval '1 millisecond'
    ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED
  ), taken AS (
    UPDATE outbox o SET attempts = o.attempts + 1, next_attempt_at = now() + make_interval(secs => $1::float8)
    FROM due WHERE o.id = due.id
    RETURNING o.id, o.kind, o.user_id, o.attempts, o.created_at, o.address, o.address_key, o.facts, o.via
  )
  SELECT taken.id AS letter_id, taken.kind, taken.attempts, taken.created_at AS letter_created_at, taken.address,
         taken.address_key, taken.facts, taken.via, owner.id AS owner_id, owner.username AS owner_username,
         owner.email AS owner_email, owner.email_verified_at AS owner_verified_at, ${CHANGEABLE_COLUMNS}
  FROM taken JOIN users u ON u.id = taken.user_id
  LEFT JOIN users owner ON owner.email_key = coalesce(taken.address_key, u.email_key) AND owner.email_key <> ''
                           AND owner.email_verified_at IS NOT NULL`

const MARK_SENT =
  'UPDATE outbox SET sent_at = now(), failed_at = NULL, last_error = NULL WHERE id = $1 AND sent_at IS NULL'

const MARK_FAILED = `
  UPDATE outbox SET last_error = $3, failed_at = CASE WHEN $4::float8 IS NULL THEN now() END,
                    next_attempt_at = now() + make_interval(secs => coalesce($4::float8, 0))
  WHERE id = $1 AND attempts = $2 AND ${IS_OPEN}`

const NEXT_DUE = `
  SELECT extract(epoch FROM least(min(next_attempt_at), (SELECT min(asked_at) FROM letter_requests)) - now())::float8
           AS seconds
  FROM outbox WHERE ${IS_OPEN}`

/** `failed_at` stands on dropped letters too, and an operator need not look after those. */
const STATE = `
  SELECT count(*) FILTER (WHERE ${IS_OPEN})::integer AS waiting,
         coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE ${IS_OPEN})), 0)::float8 AS oldest_seconds,
         count(*) FILTER (WHERE failed_at IS NOT NULL AND last_error <> ALL ($1::text[]))::integer AS failed
  FROM outbox WHERE sent_at IS NULL`

type LetterRow = ChangeableRow & {
  readonly letter_id: string
  readonly kind: LetterKind
  readonly attempts: number
  readonly letter_created_at: Date
  readonly address: string | null
  readonly address_key: string | null
  readonly facts: LetterFacts | null
  readonly via: string | null
  readonly owner_id: string | null
  readonly owner_username: string | null
  readonly owner_email: string | null
  readonly owner_verified_at: Date | null
}

/** The outbox as the replicas share it: whoever takes a letter has it for a while, and no lock is held meanwhile. */
export function createOutboxStore({ pool }: Database): OutboxStore {
  return {
    async takeLetter(leaseSeconds) {
      await admitRequests(pool)
      const { rows } = await pool.query<LetterRow>({
        name: 'take_letter',
        text: TAKE,
        values: [leaseSeconds],
      })
      return rows[0] && toLetter(rows[0])
    },

    async markSent(id) {
      await pool.query({ name: 'mark_letter_sent', text: MARK_SENT, values: [id] })
    },

    async markFailed({ id, attempt }, code, retryInSeconds) {
      const values = [id, attempt, code, retryInSeconds]
      await pool.query({ name: 'mark_letter_failed', text: MARK_FAILED, values })
    },

    async nextDueInSeconds() {
      const { rows } = await pool.query<{ seconds: number | null }>({
        name: 'next_letter_due',
        text: NEXT_DUE,
      })
      return rows[0]?.seconds ?? undefined
    },

    async outboxState() {
      const { rows } = await pool.query<{ waiting: number; oldest_seconds: number; failed: number }>({
        name: 'outbox_state',
        text: STATE,
        values: [POINT_LOST],
      })
      const { waiting = 0, oldest_seconds: oldestSeconds = 0, failed = 0 } = rows[0] ?? {}
      return { waiting, oldestSeconds, failed } satisfies OutboxState
    },
  }
}

function toLetter(row: LetterRow): DueLetter {
  return {
    ...toChangeable(row),
    id: row.letter_id,
    kind: row.kind,
    attempt: row.attempts,
    createdAt: row.letter_created_at.getTime(),
    goesTo: row.address === null ? undefined : { address: row.address, key: row.address_key ?? '' },
    facts: row.facts ?? undefined,
    via: row.via ?? undefined,
    owner:
      row.owner_verified_at === null
        ? undefined
        : {
            userId: Number(row.owner_id),
            username: row.owner_username ?? '',
            email: row.owner_email ?? '',
            verifiedAt: row.owner_verified_at.getTime(),
          },
  }
}
