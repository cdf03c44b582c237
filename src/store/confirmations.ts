import type { AccountChangeStore } from '../core/change-ports.ts'
import { LOGIN_WINDOW_SECONDS } from '../core/policy.ts'
import type { PasswordHash } from '../core/ports.ts'
import type { Database } from './database.ts'
import { countStatement } from './letters.ts'
import { isOwnSession } from './own-session.ts'
import type { AccountRow } from './rows.ts'
import { ACCOUNT_COLUMNS, toAccountWithHash } from './rows.ts'

/** The key begins like those of sign-ins, so that whatever forgives their failures forgives these too. */
const ATTEMPT = `
  WITH account AS (
    SELECT * FROM users u WHERE u.id = $1 AND ${isOwnSession('u.id', '$2::uuid')}
  ), counted AS (${countStatement(
    `'login:' || account.id || ':session:' || $2::uuid`,
    LOGIN_WINDOW_SECONDS,
    'FROM account',
  )})
  SELECT counted.key AS counter, counted.count,
         greatest(1, ceil(extract(epoch FROM counted.window_ends_at - now())))::integer AS window_ends_in,
         u.password_hash, ${ACCOUNT_COLUMNS}
  FROM counted JOIN account u ON true`

type AttemptRow = AccountRow & {
  readonly counter: string
  readonly count: number
  readonly window_ends_in: number
  readonly password_hash: PasswordHash
}

/** Passwords that somebody who is signed in is asked for once more. */
export function createConfirmations({ pool }: Database): Pick<AccountChangeStore, 'attemptConfirmation'> {
  return {
    async attemptConfirmation({ userId, sessionId }) {
      const { rows } = await pool.query<AttemptRow>({
        name: 'attempt_confirmation',
        text: ATTEMPT,
        values: [userId, sessionId],
      })
      const [row] = rows
      return (
        row && {
          account: toAccountWithHash(row),
          counter: row.counter,
          attempts: row.count,
          windowEndsInSeconds: row.window_ends_in,
        }
      )
    },
  }
}
