import type { Account, AccountWithHash, PasswordHash, Profile, Session, SessionView } from '../core/ports.ts'

/** Columns of `users u`, named so that they can stand beside those of a session. */
export const ACCOUNT_COLUMNS = `
  u.id AS user_id, u.username, u.email, u.email_verified_at, u.first_name, u.last_name, u.roles, u.profile,
  u.activated_at, u.disabled_at, u.created_at AS user_created_at, u.last_login_at`

/** Columns of `sessions s`, and the clock by which they are to be judged. */
export const SESSION_COLUMNS = `
  s.id, s.created_at, s.expires_at, s.rotates, s.generation, s.seen_generation, s.late_generation, s.late_replays,
  s.floor_generation, s.rotated_at, s.retry_key, s.revoked_at, now() AS now`

/** A hash that no password matches, in Django's own form. */
export const UNUSABLE_HASH = '!' as PasswordHash

export interface AccountRow {
  /** `pg` gives a bigint as text; ids are far below 2^53. */
  readonly user_id: string
  readonly username: string
  readonly email: string
  readonly email_verified_at: Date | null
  readonly first_name: string
  readonly last_name: string
  readonly roles: string[]
  readonly profile: Profile
  readonly activated_at: Date | null
  readonly disabled_at: Date | null
  readonly user_created_at: Date
  readonly last_login_at: Date | null
}

export interface SessionRow extends AccountRow {
  readonly id: string
  readonly created_at: Date
  readonly expires_at: Date
  readonly rotates: boolean
  readonly generation: number
  readonly seen_generation: number
  readonly late_generation: number
  readonly late_replays: number
  readonly floor_generation: number
  readonly rotated_at: Date
  readonly retry_key: Buffer | null
  readonly revoked_at: Date | null
  readonly now: Date
}

/** An account from its columns. */
export function toAccount(row: AccountRow): Account {
  return {
    id: Number(row.user_id),
    username: row.username,
    email: row.email,
    emailVerified: row.email_verified_at !== null,
    firstName: row.first_name,
    lastName: row.last_name,
    roles: row.roles,
    profile: row.profile,
    activated: row.activated_at !== null,
    disabled: row.disabled_at !== null,
    createdAt: row.user_created_at.getTime(),
    lastLoginAt: row.last_login_at?.getTime(),
  }
}

/** The same with its hash, for the verbs that compare or replace it. */
export function toAccountWithHash(
  row: AccountRow & { readonly password_hash: PasswordHash },
): AccountWithHash {
  return { ...toAccount(row), passwordHash: row.password_hash }
}

/** A session, its account and the clock, from one row of a join. */
export function toSessionView(row: SessionRow): SessionView {
  return { session: toSession(row), account: toAccount(row), now: row.now.getTime() }
}

function toSession(row: SessionRow): Session {
  return {
    id: row.id,
    userId: Number(row.user_id),
    createdAt: row.created_at.getTime(),
    expiresAt: row.expires_at.getTime(),
    rotates: row.rotates,
    generation: row.generation,
    seenGeneration: row.seen_generation,
    lateGeneration: row.late_generation,
    lateReplays: row.late_replays,
    floorGeneration: row.floor_generation,
    rotatedAt: row.rotated_at.getTime(),
    retryKey: row.retry_key ?? undefined,
    revokedAt: row.revoked_at?.getTime(),
    userDisabled: row.disabled_at !== null,
  }
}
