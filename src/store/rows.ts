import type { Account, AccountWithHash, PasswordHash, Profile, Session, SessionView } from '../core/ports.ts'

/** A moment as milliseconds since 1970: a timestamp would be written, read and parsed at five times the cost. */
const ms = (moment: string) => `date_part('epoch', ${moment}) * 1000`

/** Columns of `users u`, named so that they can stand beside those of a session. */
export const ACCOUNT_COLUMNS = `
  u.id AS user_id, u.username, u.email, u.email_verified_at IS NOT NULL AS email_verified, u.first_name, u.last_name,
  u.roles, u.profile, u.activated_at IS NOT NULL AS activated, u.disabled_at IS NOT NULL AS disabled,
  ${ms('u.created_at')} AS user_created_ms, ${ms('u.last_login_at')} AS last_login_ms`

/** Columns of `sessions s`, and the clock by which they are to be judged. */
export const SESSION_COLUMNS = `
  s.id, ${ms('s.created_at')} AS created_ms, ${ms('s.expires_at')} AS expires_ms, s.rotates, s.generation,
  s.seen_generation, s.late_generation, s.late_replays, s.floor_generation, ${ms('s.rotated_at')} AS rotated_ms,
  s.retry_key, ${ms('s.revoked_at')} AS revoked_ms, ${ms('now()')} AS now_ms`

/** A hash that no password matches, in Django's own form. */
export const UNUSABLE_HASH = '!' as PasswordHash

export interface AccountRow {
  /** `pg` gives a bigint as text; ids are far below 2^53. */
  readonly user_id: string
  readonly username: string
  readonly email: string
  readonly email_verified: boolean
  readonly first_name: string
  readonly last_name: string
  readonly roles: string[]
  readonly profile: Profile
  readonly activated: boolean
  readonly disabled: boolean
  readonly user_created_ms: number
  readonly last_login_ms: number | null
}

export interface SessionRow extends AccountRow {
  readonly id: string
  readonly created_ms: number
  readonly expires_ms: number
  readonly rotates: boolean
  readonly generation: number
  readonly seen_generation: number
  readonly late_generation: number
  readonly late_replays: number
  readonly floor_generation: number
  readonly rotated_ms: number
  readonly retry_key: Buffer | null
  readonly revoked_ms: number | null
  readonly now_ms: number
}

/** An account from its columns. */
export function toAccount(row: AccountRow): Account {
  return {
    id: Number(row.user_id),
    username: row.username,
    email: row.email,
    emailVerified: row.email_verified,
    firstName: row.first_name,
    lastName: row.last_name,
    roles: row.roles,
    profile: row.profile,
    activated: row.activated,
    disabled: row.disabled,
    createdAt: whole(row.user_created_ms),
    lastLoginAt: row.last_login_ms === null ? undefined : whole(row.last_login_ms),
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
  return { session: toSession(row), account: toAccount(row), now: whole(row.now_ms) }
}

function toSession(row: SessionRow): Session {
  return {
    id: row.id,
    userId: Number(row.user_id),
    createdAt: whole(row.created_ms),
    expiresAt: whole(row.expires_ms),
    rotates: row.rotates,
    generation: row.generation,
    seenGeneration: row.seen_generation,
    lateGeneration: row.late_generation,
    lateReplays: row.late_replays,
    floorGeneration: row.floor_generation,
    rotatedAt: whole(row.rotated_ms),
    retryKey: row.retry_key ?? undefined,
    revokedAt: row.revoked_ms === null ? undefined : whole(row.revoked_ms),
    userDisabled: row.disabled,
  }
}

/** Seconds with a fraction, times a thousand, come a hair beside the millisecond they were. */
function whole(milliseconds: number): number {
  return Math.round(milliseconds)
}
