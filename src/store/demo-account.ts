import type { PasswordHash } from '../core/ports.ts'
import type { Database } from './database.ts'

/** A confirmed account to try the service with; whatever it was before, it is again as it is said here. */
export async function putDemoAccount(
  { pool }: Database,
  { username, email, passwordHash }: { username: string; email: string; passwordHash: PasswordHash },
): Promise<void> {
  await pool.query(
    `INSERT INTO users (username, username_key, email, email_key, email_verified_at, activated_at, password_hash,
                        first_name, last_name)
     VALUES ($1, $1, $2, $2, now(), now(), $3, 'Demo', 'User')
     ON CONFLICT (username_key) DO UPDATE SET password_hash = excluded.password_hash, disabled_at = NULL,
                                              activated_at = coalesce(users.activated_at, now())
     WHERE users.password_hash <> excluded.password_hash OR users.disabled_at IS NOT NULL OR users.activated_at IS NULL`,
    [username, email, passwordHash],
  )
}
