import type pg from 'pg'
import type { MoveStore, Placement } from '../core/move-ports.ts'

/**
 * All in one statement, which sees the table as it was before: names and addresses that two of the batch share are told
 * by their order in it. No user name that anybody may choose has a space in it, so a shared one gets a key with one.
 */
const PLACE = `
  WITH incoming AS (
    SELECT * FROM json_to_recordset($1::json) AS t (
      n integer, id bigint, username text, "usernameKey" text, "usernameShared" boolean, email text, "emailKey" text,
      "emailVerifiedAt" timestamptz(3), "passwordHash" text, "firstName" text, "lastName" text, roles text[],
      profile jsonb, "activatedAt" timestamptz(3), "disabledAt" timestamptz(3), "createdAt" timestamptz(3),
      "lastLoginAt" timestamptz(3), widgets text)
  ), judged AS (
    SELECT i.*,
      i."usernameShared" OR row_number() OVER (PARTITION BY "usernameKey", "usernameShared" ORDER BY n) > 1
        OR EXISTS (SELECT FROM users u WHERE u.username_key = i."usernameKey" AND u.id <> i.id) AS name_shared,
      "emailKey" <> '' AND (
        row_number() OVER (PARTITION BY "emailKey" ORDER BY n) > 1
        OR EXISTS (SELECT FROM users u WHERE u.email_key = i."emailKey" AND u.id <> i.id)) AS email_shared,
      "emailKey" <> '' AND (
        row_number() OVER (PARTITION BY "emailKey", "emailVerifiedAt" IS NULL ORDER BY n) > 1
        OR EXISTS (SELECT FROM users u WHERE u.email_key = i."emailKey" AND u.email_verified_at IS NOT NULL
                   AND u.id <> i.id)) AS email_taken
    FROM incoming i
  ), placed AS (
    INSERT INTO users (id, username, username_key, email, email_key, email_verified_at, password_hash, first_name,
                       last_name, roles, profile, activated_at, disabled_at, created_at, last_login_at)
    SELECT id, username, CASE WHEN name_shared THEN "usernameKey" || ' ' || id ELSE "usernameKey" END, email,
           "emailKey", CASE WHEN NOT email_taken THEN "emailVerifiedAt" END, "passwordHash", "firstName", "lastName",
           roles, profile, "activatedAt", "disabledAt", "createdAt", "lastLoginAt"
    FROM judged ORDER BY n
    ON CONFLICT DO NOTHING
    RETURNING id
  ), documents AS (
    INSERT INTO widgets (user_id, document)
    SELECT judged.id, judged.widgets FROM judged JOIN placed ON placed.id = judged.id WHERE judged.widgets IS NOT NULL
  )
  SELECT j.name_shared, j.email_shared, (j.name_shared OR starts_with(j."usernameKey", 'address '))
           AND (j."emailKey" = '' OR j.email_taken) AS unreachable,
         placed.id IS NOT NULL AS imported,
         u.created_at = j."createdAt" OR u.username = j.username OR u.username_key = j."usernameKey" AS present
  FROM judged j LEFT JOIN placed ON placed.id = j.id LEFT JOIN users u ON u.id = j.id
  ORDER BY j.n`

const ADVANCE = `
  SELECT setval(pg_get_serial_sequence('users', 'id'),
                greatest((SELECT max(id) FROM users), $1::bigint, (SELECT last_value FROM users_id_seq)))`

interface PlacedRow {
  readonly name_shared: boolean
  readonly email_shared: boolean
  readonly unreachable: boolean
  readonly imported: boolean
  /** Null where nobody has the id: then another one took the name at this very moment. */
  readonly present: boolean | null
}

/** Tries in a row that others have spoilt by taking a name between look and insert; more is no race. */
const ROUNDS_MAX = 5

/** Accounts that are moved in, over a connection of their own: a batch takes longer than any request may. */
export function createMoveStore(client: pg.Client): MoveStore {
  return {
    async place(accounts) {
      const json = JSON.stringify(accounts.map((account, n) => ({ n, ...account })))
      const before: (Placement | undefined)[] = []
      for (let round = 0; round < ROUNDS_MAX; round += 1) {
        const { rows } = await client.query<PlacedRow>({
          name: 'place_accounts',
          text: PLACE,
          values: [json],
        })
        // What an earlier round has placed is `present` to a later one.
        rows.forEach((row, index) => {
          before[index] ??= toPlacement(row)
        })
        const placements = before.filter((placement) => placement !== undefined)
        if (placements.length === accounts.length) return placements
      }
      throw new Error(
        'The users table is changing too fast. Run the import again: it goes on from where it is.',
      )
    },

    async advanceIds(least) {
      await client.query(ADVANCE, [least])
    },
  }
}

function toPlacement(row: PlacedRow): Placement | undefined {
  const shared = {
    usernameShared: row.name_shared,
    emailShared: row.email_shared,
    unreachable: row.unreachable,
  }
  if (row.imported) return { outcome: 'imported', ...shared }
  if (row.present === null) return undefined
  return { outcome: row.present ? 'present' : 'id_taken', ...shared }
}
