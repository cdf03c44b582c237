import type { Pool } from 'pg'
import { v7 as uuidV7 } from 'uuid'
import { LETTER_WINDOW_SECONDS, LETTERS_PER_ACCOUNT } from '../core/policy.ts'
import type { Caller, LetterCounter } from '../core/ports.ts'
import { countStatement } from './letters.ts'

/** Letters that anybody may ask for, by an address and without saying who they are. */
export type RequestedLetter = 'verification' | 'reset'

const ASK = `
  WITH counted AS (${countStatement('$1', LETTER_WINDOW_SECONDS)})
  INSERT INTO letter_requests (id, kind, email_key, may_be_sent, ip, user_agent, via)
  SELECT $2::uuid, $3::text, $4::text, counted.count <= ${LETTERS_PER_ACCOUNT}, $5::inet, $6::text, $7::text FROM counted`

/**
 * Notes that somebody asked for a letter to this address. Whose it is, is looked up later, by the outbox: the caller
 * waits for the very same work whether there is an account, several or none, and cannot tell by the clock.
 */
export async function askForLetter(
  pool: Pool,
  kind: RequestedLetter,
  emailKey: string,
  counter: LetterCounter,
  { ip, userAgent, via }: Caller,
): Promise<void> {
  const values = [counter, uuidV7(), kind, emailKey, ip, userAgent, via ?? null]
  await pool.query({ name: 'ask_for_letter', text: ASK, values })
}

/** One statement's worth; what is more waits for the next look. */
const BATCH = 50
/** More accounts than this that claim one address are not waiting for a letter, they are made to cause letters. */
const WAITING_ACCOUNTS_MAX = 3

/**
 * A reset is for whoever owns the address, else for the newest account that claims it and works, else for the newest
 * that waits, which anybody can make; nobody who is disabled. A verification is for each of those accounts in the same
 * order, for nobody can tell which of them belongs to whoever reads it; where it has an owner, for them.
 */
const ADMIT = `
  WITH asked AS (
    DELETE FROM letter_requests WHERE id IN (
      SELECT id FROM letter_requests ORDER BY id LIMIT ${BATCH} FOR UPDATE SKIP LOCKED
    ) RETURNING *
  ), account AS (
    SELECT asked.*, found.id AS user_id FROM asked CROSS JOIN LATERAL (
      SELECT u.id FROM users u
      WHERE asked.kind = 'reset' AND u.email_key = asked.email_key AND u.email_key <> '' AND u.disabled_at IS NULL
      ORDER BY u.email_verified_at IS NOT NULL DESC, u.activated_at IS NOT NULL DESC, u.id DESC LIMIT 1
    ) AS found
    UNION ALL
    SELECT asked.*, found.id AS user_id FROM asked CROSS JOIN LATERAL (
      SELECT u.id FROM users u
      WHERE asked.kind = 'verification' AND u.email_key = asked.email_key AND u.email_key <> ''
        AND (u.email_verified_at IS NOT NULL OR NOT EXISTS (
          SELECT FROM users owner WHERE owner.email_key = asked.email_key AND owner.email_verified_at IS NOT NULL
        ))
      ORDER BY u.activated_at IS NOT NULL DESC, u.id DESC LIMIT ${WAITING_ACCOUNTS_MAX}
    ) AS found
  ), event AS (
    INSERT INTO events (id, at, kind, user_id, ip, user_agent)
    SELECT gen_random_uuid(), asked_at, kind || '_requested', user_id, ip, user_agent FROM account
  )
  INSERT INTO outbox (id, kind, user_id, created_at, via)
  SELECT gen_random_uuid(), kind, user_id, asked_at, via FROM account WHERE may_be_sent`

/** Turns what was asked for into letters, each of them once, whichever replica is first. */
export async function admitRequests(pool: Pool): Promise<void> {
  await pool.query({ name: 'admit_letter_requests', text: ADMIT })
}
