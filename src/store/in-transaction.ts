import { and, desc, eq, isNull, ne, sql } from 'drizzle-orm'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import { v7 as uuidV7 } from 'uuid'
import { deviceLabel } from '../core/device-label.ts'
import { LETTER_WINDOW_SECONDS, LETTERS_PER_ACCOUNT } from '../core/policy.ts'
import type {
  Caller,
  LetterCounter,
  LetterKind,
  PasswordHash,
  RevocationReason,
  SecurityEvent,
} from '../core/ports.ts'
import { constraintOf } from './failure.ts'
import { UNUSABLE_HASH } from './rows.ts'
import { counters, events, outbox, passwordHistory, sessions } from './schema.ts'

const TAKEN = new Set(['users_verified_email_key', 'users_username_key'])

/** Somebody else got the address or the name at this moment: first come, first served, and this change did nothing. */
export async function unlessTaken<T>(change: () => Promise<T>): Promise<T | undefined> {
  try {
    return await change()
  } catch (error) {
    if (TAKEN.has(constraintOf(error) ?? '')) return undefined
    throw error
  }
}

/** Keeps the hash that was replaced among those that may not come again. */
export async function keepHistory(
  tx: NodePgDatabase,
  userId: number,
  old: PasswordHash,
  most: number,
): Promise<void> {
  if (most === 0 || old === UNUSABLE_HASH) return
  await tx.insert(passwordHistory).values({ id: uuidV7(), userId, passwordHash: old })
  const kept = tx
    .select({ id: passwordHistory.id })
    .from(passwordHistory)
    .where(eq(passwordHistory.userId, userId))
    .orderBy(desc(passwordHistory.retiredAt), desc(passwordHistory.id))
    .limit(most)
  await tx
    .delete(passwordHistory)
    .where(and(eq(passwordHistory.userId, userId), sql`${passwordHistory.id} NOT IN ${kept}`))
}

/** Forgets failed sign-ins: those of strangers, and those on devices that are known to the account. */
export async function forgetFailures(tx: NodePgDatabase, userId: number): Promise<void> {
  const key = `login:${userId}`
  await tx.delete(counters).where(sql`${counters.key} = ${key} OR starts_with(${counters.key}, ${`${key}:`})`)
}

/** Records the event with the deed that it tells of. */
export async function record(
  tx: NodePgDatabase,
  userId: number | undefined,
  event: SecurityEvent,
): Promise<void> {
  await tx.insert(events).values({
    id: uuidV7(),
    kind: event.kind,
    userId: userId ?? null,
    sessionId: event.sessionId ?? null,
    ip: event.caller.ip,
    userAgent: event.caller.userAgent,
    reason: event.reason ?? null,
  })
}

/** Puts a letter into the outbox with the deed that it tells of; with `caller` it tells who did it from where. */
export async function enqueue(
  tx: NodePgDatabase,
  userId: number,
  kind: LetterKind,
  {
    caller,
    ...to
  }: { readonly address?: string; readonly addressKey?: string; readonly caller?: Caller } = {},
): Promise<void> {
  const facts = caller && { label: deviceLabel(caller.userAgent), ip: caller.ip }
  await tx.insert(outbox).values({ id: uuidV7(), kind, userId, ...to, ...(facts && { facts }) })
}

/**
 * Ends the sessions of a user whose row this transaction has locked: being a statement after that lock, it sees the
 * sessions of sign-ins that the lock waited for.
 */
export async function revokeSessions(
  tx: NodePgDatabase,
  userId: number,
  reason: RevocationReason,
  { keepSessionId, idleTtlSeconds }: { keepSessionId?: string | undefined; idleTtlSeconds?: number } = {},
): Promise<string[]> {
  const revoked = await tx
    .update(sessions)
    .set({ revokedAt: sql`now()`, revokedReason: reason })
    .where(
      and(
        eq(sessions.userId, userId),
        isNull(sessions.revokedAt),
        keepSessionId === undefined ? undefined : ne(sessions.id, keepSessionId),
        idleTtlSeconds === undefined ? undefined : isAlive(idleTtlSeconds),
      ),
    )
    .returning({ id: sessions.id })
  return revoked.map(({ id }) => id)
}

/** Neither past its absolute end nor, where it rotates, left alone for the idle life. */
function isAlive(idleTtlSeconds: number) {
  return sql`${sessions.expiresAt} > now() AND (NOT ${sessions.rotates}
    OR ${sessions.rotatedAt} > now() - make_interval(secs => ${idleTtlSeconds}))`
}

/** Counts a letter to this address and says whether it may still be sent. */
export async function countLetter(tx: NodePgDatabase, key: LetterCounter): Promise<boolean> {
  const isOver = sql`${counters.windowEndsAt} <= now()`
  const [counted] = await tx
    .insert(counters)
    .values({ key, count: 1, windowEndsAt: sql`now() + make_interval(secs => ${LETTER_WINDOW_SECONDS})` })
    .onConflictDoUpdate({
      target: counters.key,
      set: {
        count: sql`CASE WHEN ${isOver} THEN 1 ELSE ${counters.count} + 1 END`,
        windowEndsAt: sql`CASE WHEN ${isOver} THEN excluded.window_ends_at ELSE ${counters.windowEndsAt} END`,
      },
    })
    .returning({ count: counters.count })
  return counted !== undefined && counted.count <= LETTERS_PER_ACCOUNT
}
