import type { ChangeableAccount, FormerEmail } from '../core/change-ports.ts'
import { UNDO_LINK_TTL_SECONDS } from '../core/policy.ts'
import type { PasswordHash } from '../core/ports.ts'
import type { AccountRow } from './rows.ts'
import { ACCOUNT_COLUMNS, toAccountWithHash } from './rows.ts'

/** Columns of `users u` with all that decides whether the account may be changed, and the clock for links. */
export const CHANGEABLE_COLUMNS = `
  ${ACCOUNT_COLUMNS}, u.password_hash, u.email_key, u.pending_email, u.pending_email_key, now() AS now,
  (SELECT coalesce(json_agg(json_build_object(
     'email', f.email, 'emailKey', f.email_key, 'replacedAt', date_part('epoch', f.replaced_at) * 1000) ORDER BY f.id), '[]')
   FROM former_emails f
   WHERE f.user_id = u.id AND f.replaced_at > now() - interval '${UNDO_LINK_TTL_SECONDS} seconds') AS former_emails`

export interface ChangeableRow extends AccountRow {
  readonly password_hash: PasswordHash
  readonly email_key: string
  readonly pending_email: string | null
  readonly pending_email_key: string | null
  readonly former_emails: FormerEmail[]
  readonly now: Date
}

/** An account as it stands when it is to be changed, from those columns. */
export function toChangeable(row: ChangeableRow): ChangeableAccount {
  return {
    account: toAccountWithHash(row),
    emailKey: row.email_key,
    pendingEmail: row.pending_email ?? '',
    pendingEmailKey: row.pending_email_key ?? '',
    formerEmails: row.former_emails,
    now: row.now.getTime(),
  }
}
