import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  customType,
  index,
  inet,
  integer,
  jsonb,
  pgTable,
  smallint,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import type {
  EventKind,
  LetterFacts,
  LetterKind,
  PasswordHash,
  Profile,
  RevocationReason,
} from '../core/ports.ts'

const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' })
const time = (name: string) => timestamp(name, { withTimezone: true, mode: 'date', precision: 3 })
const userId = () => bigint('user_id', { mode: 'number' })

/** People. The ids are integers because the clients of the Django services that Keyturn replaces hold integers. */
export const users = pgTable(
  'users',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedByDefaultAsIdentity(),
    username: text('username').notNull(),
    /** What decides whether two names are the same; made in one place, `core/identity.ts`. */
    usernameKey: text('username_key').notNull(),
    email: text('email').notNull().default(''),
    emailKey: text('email_key').notNull().default(''),
    emailVerifiedAt: time('email_verified_at'),
    /** Asked for, and not yet confirmed by the link that went there. */
    pendingEmail: text('pending_email'),
    pendingEmailKey: text('pending_email_key'),
    passwordHash: text('password_hash').$type<PasswordHash>().notNull(),
    firstName: text('first_name').notNull().default(''),
    lastName: text('last_name').notNull().default(''),
    roles: text('roles').array().notNull().default([]),
    profile: jsonb('profile').$type<Profile>().notNull().default({}),
    activatedAt: time('activated_at'),
    disabledAt: time('disabled_at'),
    createdAt: time('created_at').notNull().defaultNow(),
    lastLoginAt: time('last_login_at'),
    /** The account was deleted: its data is gone, and the row follows once no access token can name it. */
    erasedAt: time('erased_at'),
  },
  (table) => [
    uniqueIndex('users_username_key').on(table.usernameKey),
    // Among verified accounts only: nobody can squat an address that they cannot read.
    uniqueIndex('users_verified_email_key')
      .on(table.emailKey)
      .where(sql`${table.emailVerifiedAt} IS NOT NULL AND ${table.emailKey} <> ''`),
    index('users_email_key').on(table.emailKey),
    // For the sweep, as are those below that are named after an age.
    index('users_unconfirmed').on(table.createdAt).where(sql`${table.activatedAt} IS NULL`),
    index('users_erased_at').on(table.erasedAt).where(sql`${table.erasedAt} IS NOT NULL`),
  ],
)

/**
 * One row per session and none per token: a rotation updates it in place. No index may cover a column that a
 * rotation changes (`generation` to `retry_key`), or a million refreshes are no longer heap-only updates; the
 * migration sets a fillfactor that leaves the new version room on its page. Those columns stand together so that
 * the write-ahead log, which leaves out what two versions share at both ends, stays small.
 */
export const sessions = pgTable(
  'sessions',
  {
    id: uuid('id').primaryKey(),
    userId: userId()
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    createdAt: time('created_at').notNull(),
    expiresAt: time('expires_at').notNull(),
    rotates: boolean('rotates').notNull(),
    generation: integer('generation').notNull().default(0),
    seenGeneration: integer('seen_generation').notNull().default(-1),
    lateGeneration: integer('late_generation').notNull().default(-1),
    floorGeneration: integer('floor_generation').notNull().default(0),
    lateReplays: smallint('late_replays').notNull().default(0),
    rotatedAt: time('rotated_at').notNull(),
    retryKey: bytea('retry_key'),
    revokedAt: time('revoked_at'),
    revokedReason: text('revoked_reason').$type<RevocationReason>(),
    ip: inet('ip').notNull(),
    userAgent: text('user_agent').notNull(),
    label: text('label').notNull().default(''),
  },
  (table) => [
    index('sessions_user_id').on(table.userId),
    index('sessions_expires_at').on(table.expiresAt),
    index('sessions_revoked_at').on(table.revokedAt).where(sql`${table.revokedAt} IS NOT NULL`),
  ],
)

/** The security record: who, when, from where, and why. It outlives the account, without naming it any more. */
export const events = pgTable(
  'events',
  {
    id: uuid('id').primaryKey(),
    at: time('at').notNull().defaultNow(),
    kind: text('kind').$type<EventKind>().notNull(),
    /** No foreign key: an event about an account that is gone is still an event. */
    userId: userId(),
    sessionId: uuid('session_id'),
    ip: inet('ip').notNull(),
    userAgent: text('user_agent').notNull(),
    reason: text('reason'),
  },
  (table) => [index('events_user_id_at').on(table.userId, table.at), index('events_at').on(table.at)],
)

/** Letters to be sent. A row is written in the transaction of the deed and holds no token and no text. */
export const outbox = pgTable(
  'outbox',
  {
    id: uuid('id').primaryKey(),
    kind: text('kind').$type<LetterKind>().notNull(),
    /** Where the letter goes, if not to the address that the account has when it is sent. */
    address: text('address'),
    addressKey: text('address_key'),
    /** The name of the dialect that took the request: it writes the link when the letter is sent. Null for our own. */
    via: text('via'),
    /** What the letter tells besides, such as the device of a sign-in. */
    facts: jsonb('facts').$type<LetterFacts>(),
    userId: userId()
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    createdAt: time('created_at').notNull().defaultNow(),
    /** Not before this; a worker that takes the letter moves it on, so that a crash delays and loses nothing. */
    nextAttemptAt: time('next_attempt_at').notNull().defaultNow(),
    attempts: integer('attempts').notNull().default(0),
    sentAt: time('sent_at'),
    failedAt: time('failed_at'),
    /** A code, never the text of a mail server, which may quote the address. */
    lastError: text('last_error'),
  },
  (table) => [
    index('outbox_due')
      .on(table.nextAttemptAt)
      .where(sql`${table.sentAt} IS NULL AND ${table.failedAt} IS NULL`),
    index('outbox_closed')
      .on(table.createdAt)
      .where(sql`${table.sentAt} IS NOT NULL OR ${table.failedAt} IS NOT NULL`),
    index('outbox_user_id').on(table.userId),
  ],
)

/** Letters that somebody asked for by an address; rows live until the outbox has looked up whose it is. */
export const letterRequests = pgTable('letter_requests', {
  id: uuid('id').primaryKey(),
  kind: text('kind').$type<LetterKind>().notNull(),
  emailKey: text('email_key').notNull(),
  /** False where the letters of this hour are used up: it is recorded all the same. */
  mayBeSent: boolean('may_be_sent').notNull(),
  ip: inet('ip').notNull(),
  userAgent: text('user_agent').notNull(),
  via: text('via'),
  askedAt: time('asked_at').notNull().defaultNow(),
})

/** Counters of failed sign-ins and of letters, per account; keyed by a MAC where there is no account. */
export const counters = pgTable(
  'counters',
  {
    key: text('key').primaryKey(),
    count: integer('count').notNull(),
    windowEndsAt: time('window_ends_at').notNull(),
  },
  (table) => [index('counters_window_ends_at').on(table.windowEndsAt)],
)

/**
 * Addresses that an account had before, while a link that was mailed to one of them can still bring it back. All of
 * them and not only the last: whoever steals an account could else change its address twice, and lock its owner out.
 */
export const formerEmails = pgTable(
  'former_emails',
  {
    id: uuid('id').primaryKey(),
    userId: userId()
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    email: text('email').notNull(),
    emailKey: text('email_key').notNull(),
    replacedAt: time('replaced_at').notNull().defaultNow(),
  },
  (table) => [
    index('former_emails_user_id').on(table.userId),
    index('former_emails_replaced_at').on(table.replacedAt),
  ],
)

/** Hashes that the account has had, newest first as far as PASSWORD_HISTORY goes. */
export const passwordHistory = pgTable(
  'password_history',
  {
    id: uuid('id').primaryKey(),
    userId: userId()
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    passwordHash: text('password_hash').$type<PasswordHash>().notNull(),
    retiredAt: time('retired_at').notNull().defaultNow(),
  },
  (table) => [index('password_history_user_id').on(table.userId, table.retiredAt)],
)

/** One JSON document per account, kept as the text it came in: no parser may touch its order or its numbers. */
export const widgets = pgTable('widgets', {
  userId: userId()
    .primaryKey()
    .references(() => users.id, { onDelete: 'cascade' }),
  document: text('document').notNull(),
  savedAt: time('saved_at').notNull().defaultNow(),
})

/** What `/dev/mailbox` shows where there is no SMTP_URL. Never written in production. */
export const mailbox = pgTable('mailbox', {
  id: uuid('id').primaryKey(),
  to: text('to').notNull(),
  subject: text('subject').notNull(),
  text: text('text').notNull(),
  html: text('html').notNull(),
  links: text('links').array().notNull(),
  sentAt: time('sent_at').notNull().defaultNow(),
})
