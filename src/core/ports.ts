import type { Limit } from './errors.ts'
import type { EventKind } from './events.ts'
import type { HashForm } from './hash-form.ts'
import type { SessionState } from './rotation.ts'

export type { EventKind } from './events.ts'

/** An account as the core knows it. Times are milliseconds since 1970, by the database's clock. */
export interface Account {
  readonly id: number
  readonly username: string
  /** Empty where the account has none. */
  readonly email: string
  readonly emailVerified: boolean
  readonly firstName: string
  readonly lastName: string
  readonly roles: readonly string[]
  readonly profile: Profile
  /** Signed up and, where EMAIL_VERIFICATION asks for it, confirmed. */
  readonly activated: boolean
  readonly disabled: boolean
  readonly createdAt: number
  readonly lastLoginAt: number | undefined
}

/** Fields of a sign-up that are not Keyturn's own. */
export type Profile = Readonly<Record<string, string | number | boolean>>

declare const passwordHash: unique symbol
/** A password hash in the encoding of Django: `<algorithm>$…`. Branded, so that it stays out of messages. */
export type PasswordHash = string & { readonly [passwordHash]: true }

export interface AccountWithHash extends Account {
  readonly passwordHash: PasswordHash
}

/** Who is calling, as far as the network tells. */
export interface Caller {
  readonly ip: string
  readonly userAgent: string
  /** The name of the way of saying that took the request, for the links of its letters; left out for our own. */
  readonly via?: string | undefined
}

/**
 * Whom an access token speaks for. Both together: after a fail-over or a backup that lost registrations the number
 * alone may have gone to somebody else, and the id of a session never does.
 */
export interface Bearer {
  readonly userId: number
  readonly sessionId: string
}

// ── events ──────────────────────────────────────────────────────────────────────────────────────────────────

/** One line of the security record. It holds no secret: `reason` is a code of ours, never an input. */
export interface SecurityEvent {
  readonly kind: EventKind
  readonly caller: Caller
  readonly userId?: number | undefined
  readonly sessionId?: string | undefined
  readonly reason?: string | undefined
}

export interface EventStore {
  /** Records the event; resolves once it is durable. */
  record(event: SecurityEvent): Promise<void>
}

// ── accounts ────────────────────────────────────────────────────────────────────────────────────────────────

export interface NewAccount {
  readonly username: string
  /** What decides whether two user names are the same. */
  readonly usernameKey: string
  readonly email: string
  /** What decides whether two addresses are the same; empty where there is none. */
  readonly emailKey: string
  readonly emailVerified: boolean
  readonly activated: boolean
  readonly passwordHash: PasswordHash
  readonly firstName: string
  readonly lastName: string
  readonly profile: Profile
}

export type Identifier =
  | { readonly usernameKey: string }
  /** A name with an @ in it: the account of that name, else that of the address. */
  | { readonly nameOrEmailKey: string }
  | { readonly emailKey: string }

/** An attempt to sign in, already counted. */
export interface LoginAttempt {
  /**
   * Of a name, whatever its state; of an address, the verified account, else the newest that works without. `undefined`
   * where there is none: also where an account only waits for the address, see `findWaiting`.
   */
  readonly account: AccountWithHash | undefined
  /** Names the counter this attempt went to, for `refundLogin`. */
  readonly counter: string
  /** Attempts that failed or are under way in this window, this one among them. */
  readonly attempts: number
  /** When the window ends, in seconds from now; at least 1. */
  readonly windowEndsInSeconds: number
}

export interface AccountStore {
  /**
   * Creates the account, its `registered` event and, with `letter` and unless the letters to this address are
   * used up for the hour, the outbox row, all in one statement. Of any number of concurrent calls for one user name exactly one creates it. An address is taken only by an account
   * that has verified it, and only where the new one claims to be verified too.
   */
  create(
    account: NewAccount,
    letter: LetterCounter | undefined,
    caller: Caller,
  ): Promise<Account | 'username_taken' | 'email_taken'>

  /** `undefined` unless the session is there, the user's, and not ended. */
  findFor(bearer: Bearer): Promise<Account | undefined>

  /** The account of a name or an address, as `attemptLogin` finds it, and without counting anything. */
  lookUp(identifier: Identifier): Promise<Account | undefined>

  /** Of the accounts that were made for the address and work once it is verified, the newest. */
  findWaiting(emailKey: string): Promise<AccountWithHash | undefined>

  /** Whether somebody has the name at this moment: for a complaint, never for a decision. */
  isUsernameTaken(usernameKey: string): Promise<boolean>

  /**
   * Finds the account and counts the attempt, in one statement, against the account; against the name where
   * there is no account, so that strangers cannot tell. A device that signed in to the account before (same
   * address and User-Agent) has a counter of its own.
   */
  attemptLogin(identifier: Identifier, counters: LoginCounters, caller: Caller): Promise<LoginAttempt>

  /** Takes a counted attempt back: it turned out to be no failure. */
  refundLogin(counter: string): Promise<void>

  /** Replaces the hash if it is still the one given; a concurrent change wins, and the answer is false. */
  replaceHash(userId: number, old: PasswordHash, fresh: PasswordHash): Promise<boolean>

  /**
   * Marks the address as verified and the account as active, if it is still `emailKey`, still unverified and no
   * other account has verified the address; records the event. Of concurrent calls exactly one is true.
   */
  verifyEmail(userId: number, emailKey: string, caller: Caller): Promise<boolean>

  /** The address and its state, and the database's clock, for judging a link. */
  findForLink(
    userId: number,
  ): Promise<
    { readonly account: AccountWithHash; readonly emailKey: string; readonly now: number } | undefined
  >

  /**
   * Notes that the verification letter for the address was asked for; the same work for any address, known or not.
   * The outbox looks up whose it is, and writes it unless the letters of this hour are used up.
   */
  requestVerification(emailKey: string, counter: LetterCounter, caller: Caller): Promise<void>
}

declare const letterCounter: unique symbol
/** Names the counter of the letters to one address: a MAC, so that the table holds no address. */
export type LetterCounter = string & { readonly [letterCounter]: true }

/** Names of the counters an attempt may go to: MACs, so that the table holds no name and no address. */
export interface LoginCounters {
  /** Where there is no such account. */
  readonly unknown: string
  /** Where the account was signed in to from this device before. */
  readonly device: string
}

// ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────

export interface NewSession {
  readonly id: string
  readonly userId: number
  /** False for dialects whose clients never store a new refresh token. */
  readonly rotates: boolean
  /** Absolute life from now. */
  readonly ttlSeconds: number
  readonly caller: Caller
}

export interface Session extends SessionState {
  readonly id: string
  readonly userId: number
  readonly createdAt: number
}

/** A session, the account it belongs to and the database's clock, all of one moment. */
export interface SessionView {
  readonly session: Session
  readonly account: Account
  readonly now: number
}

/** A rotation to make: from this generation to the next, remembering the digest of the key that asked for it. */
export interface Rotation {
  readonly sessionId: string
  readonly generation: number
  readonly key: RetryKey | undefined
}

/** Digests of an Idempotency-Key (see refresh.ts): this one's, and what the row holds if the key is not new. */
export interface RetryKey {
  readonly digest: Buffer
  /** Stored instead of `digest` when the key was used for the generation before: such a key counts as none. */
  readonly reusedDigest: Buffer
  readonly previousDigests: readonly Buffer[]
}

export type RevocationReason =
  | 'logout'
  | 'logout_everywhere'
  | 'theft'
  | 'password_changed'
  | 'disabled'
  | 'deleted'

export interface SessionStore {
  /**
   * Creates the session if, at that moment and under a lock of the user's row, the hash it was bought with is
   * still the stored one and the account is neither disabled nor inactive. Refunds the counted attempt, records the
   * `login` event and, on a device that an account which has signed in before is not known on, has its owner told, up
   * to LETTERS_PER_ACCOUNT times an hour; all in one statement. `undefined` when the account changed meanwhile.
   */
  create(
    session: NewSession,
    boughtWith: PasswordHash,
    attemptCounter: string,
  ): Promise<SessionView | undefined>

  /** The first session of an account that has just been created. */
  createFirst(session: NewSession): Promise<SessionView | undefined>

  /**
   * Rotates if the row is still at that generation, alive, of an enabled user and free: the common path, one
   * statement, shared with whatever else arrives meanwhile. `undefined` when it did nothing.
   */
  rotate(rotation: Rotation): Promise<SessionView | undefined>

  /** The same for one row that somebody else held at that moment: waits for it. */
  rotateAlone(rotation: Rotation): Promise<SessionView | undefined>

  find(sessionId: string): Promise<SessionView | undefined>

  /** The database lost commits: moves the row from `from` up to `to` and its floor with it; records the event. */
  heal(sessionId: string, from: number, to: number, caller: Caller): Promise<boolean>

  /** Counts a lost answer against the generation, once; records the event. False when the row has moved on. */
  countLateReplay(sessionId: string, generation: number, caller: Caller): Promise<boolean>

  /**
   * Revokes the session while it is at `generation` (any generation where `undefined`) and records `event`; a `theft`
   * is told to the owner. Committed when it resolves. False when the row has moved on or was revoked before.
   */
  revoke(
    sessionId: string,
    generation: number | undefined,
    reason: RevocationReason,
    event: SecurityEvent,
  ): Promise<boolean>

  /**
   * Revokes every live session of the user, also those whose sign-in is under way, and records `event`.
   * @returns the ids it revoked
   */
  revokeAll(userId: number, reason: RevocationReason, event: SecurityEvent): Promise<string[]>

  /** The same for a user who asks for it; `undefined`, and nothing done, unless the session is there and the user's. */
  revokeAllFor(bearer: Bearer, reason: RevocationReason, event: SecurityEvent): Promise<string[] | undefined>
}

// ── what lives in the memory of a replica ───────────────────────────────────────────────────────────────────

/** The session ids revoked within the longest access life, on this and every other replica. */
export interface RevokedSessions {
  has(sessionId: string): boolean
  /** Known here at once; the other replicas learn it from the database. */
  add(sessionIds: readonly string[]): void
}

/** Generations whose access token has been met, written to the database a moment later, in batches. */
export interface SeenGenerations {
  note(sessionId: string, generation: number): void
}

/** Signs and verifies JWTs with the keys of the moment. */
export interface JwtSigner {
  /** @param payload the JSON text of the claims; it is signed as it stands */
  sign(payload: string): string
  /** The same under the key of that audience alone: what it signs is never verified here. */
  signFor(audience: string, payload: string): string
  /** Whether signature, algorithm, `typ`, `iss`, `aud` and `exp` are good. Never throws. */
  verify(token: string): boolean
}

/** bcrypt, and what else passwords are hashed with, on other threads. Rejects with `unavailable` when too much is waiting. */
export interface BcryptPool {
  hash(input: string, cost: number): Promise<string>
  check(check: PasswordCheck): Promise<Checked>
}

export interface PasswordCheck {
  /** Held against the hash one after another, until one matches. */
  readonly inputs: readonly string[]
  readonly against: HashForm
  /** Rounds of bcrypt to spend where none matches, in the same go: a second one would wait in the queue once more. */
  readonly roundsOtherwise: number
}

export interface Checked {
  readonly matches: boolean
  /** What holding one input against the hash took on its thread, in milliseconds. */
  readonly ms: number
}

/** The passwords that are tried first, from breaches. */
export interface CommonPasswords {
  /** Whether this password, in lower case, is among them. Answers from memory once the list has been read. */
  has(folded: string): Promise<boolean>
}

/** How often one session may refresh: counted only for tokens that are genuine, so nobody can use up another's. */
export interface RefreshLimit {
  /**
   * What is left of the limit; `undefined` where there is none.
   * @throws AuthError `rate_limited` beyond the limit
   */
  take(sessionId: string): LimitState | undefined
}

/** How far a limit is used up. */
export interface LimitState {
  readonly limit: Limit
  readonly remaining: number
  /** Until the window ends and the limit is whole again. */
  readonly resetSeconds: number
}

// ── letters ─────────────────────────────────────────────────────────────────────────────────────────────────

/** Wakes the outbox after a letter was written to it, so that nobody waits for its next round. */
export interface Outbox {
  wake(): void
}

/** What a letter is about; what it says is decided when it is sent. */
export type LetterKind =
  | 'verification'
  | 'reset'
  | 'password_changed'
  | 'email_change'
  | 'email_change_notice'
  | 'new_device'
  | 'session_ended'

/** What a letter tells besides: which device, and from where. Of our words only, see `deviceLabel`. */
export interface LetterFacts {
  readonly label: string
  readonly ip: string
}

/** A letter as the mailbox of development keeps it. */
export interface MailboxMessage {
  /** That of its outbox row. */
  readonly id: string
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly html: string
  readonly links: readonly string[]
  /** Milliseconds since 1970, by the database's clock. */
  readonly sentAt: number
}

/** Where letters go without SMTP_URL, outside production: a table, so that replicas share it. */
export interface MailboxStore {
  /** Adds the message unless it is there already; the oldest beyond a bound are dropped. */
  add(message: Omit<MailboxMessage, 'sentAt'>): Promise<void>
  /** Newest first; with `to` only those to that address, upper and lower case being the same. */
  list(to?: string): Promise<MailboxMessage[]>
}
