import { LETTER_WINDOW_SECONDS, LETTERS_PER_ACCOUNT } from '../core/policy.ts'
import type { EventKind, LetterKind } from '../core/ports.ts'

/**
 * Counts one more under the key, in the window that is open or in a new one; a statement or a CTE. With a `from` only
 * where that has a row.
 */
export const countStatement = (key: string, windowSeconds: number, from = '') => `
  INSERT INTO counters (key, count, window_ends_at)
  SELECT ${key}, 1, now() + interval '${windowSeconds} seconds' ${from}
  ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN counters.window_ends_at <= now() THEN 1 ELSE counters.count + 1 END,
    window_ends_at = CASE WHEN counters.window_ends_at <= now() THEN excluded.window_ends_at
                          ELSE counters.window_ends_at END
  RETURNING key, count, window_ends_at`

/** CTEs that put a letter for the user of the CTE `account` into the outbox, unless those of this hour are used up. */
export const letterStatement = (kind: LetterKind, counter: string, outboxId: string, via: string) => `
  counted AS (${countStatement(counter, LETTER_WINDOW_SECONDS)}), letter AS (
    INSERT INTO outbox (id, kind, user_id, via)
    SELECT ${outboxId}, '${kind}', account.id, ${via}::text FROM account, counted WHERE counted.count <= ${LETTERS_PER_ACCOUNT}
  )`

/** The `facts` of a letter, from two expressions. */
export const factsOf = (label: string, ip: string) =>
  `jsonb_build_object('label', ${label}, 'ip', host(${ip}))`

/** A CTE that records an event about the CTE `account`. */
export const eventStatement = (kind: EventKind, id: string, ip: string, userAgent: string) => `
  event AS (
    INSERT INTO events (id, kind, user_id, ip, user_agent)
    SELECT ${id}::uuid, '${kind}', account.id, ${ip}::inet, ${userAgent} FROM account
  )`
