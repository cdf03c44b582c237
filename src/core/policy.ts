import type { Limit } from './errors.ts'
import type { OwnMail } from './own-address.ts'

/** Whether an account must confirm its address before it may sign in, may do so, or is taken at its word. */
export type EmailVerification = 'required' | 'optional' | 'off'

/** Lifetimes and limits, all of them data: the numbers come from the configuration, the rules read them here. */
export interface Policy {
  readonly accessTtlSeconds: number
  /** Absolute life of a session, fixed at sign-in. */
  readonly refreshTtlSeconds: number
  /** A rotating session that was not refreshed for this long is over. */
  readonly refreshIdleTtlSeconds: number
  /** How long after a rotation its predecessors are answered again without question. */
  readonly refreshGraceSeconds: number
  readonly refreshReplay: 'recover' | 'strict'
  readonly registration: 'open' | 'closed'
  readonly emailVerification: EmailVerification
  readonly passwordMinLength: number
  readonly bcryptCost: number
  /** How many earlier passwords may not come again; 0 for none, as NIST SP 800-63B-4 has it. */
  readonly passwordHistory: number
  /** JWT_AUDIENCE_KEYS: audiences that a client may ask tokens for, beside our own. */
  readonly audiences: readonly string[]
  /** RATE_LIMIT: whether failed sign-ins lock an account for strangers. */
  readonly limitsLogins: boolean
  /** Addresses that are nobody's. */
  readonly ownMail: OwnMail
}

/** How long a registration that is sent again, because its answer was lost, is answered as it was. */
export const REGISTRATION_RETRY_SECONDS = 3600

/** A verification link is good for this long; the account itself waits for UNVERIFIED_TTL. */
export const VERIFY_LINK_TTL_SECONDS = 3 * 24 * 3600

/** A link for a new password is good for this long: it is as good as the password itself. */
export const RESET_LINK_TTL_SECONDS = 3600
/** The link that confirms a new address, and the one that undoes the change: longer, for it is found late. */
export const EMAIL_LINK_TTL_SECONDS = 24 * 3600
export const UNDO_LINK_TTL_SECONDS = 7 * 24 * 3600

/** A letter that only tells of something is no news after this. */
export const NOTICE_TTL_SECONDS = 3 * 24 * 3600

/** The most bytes of UTF-8 a password may have: long enough for any passphrase, short enough to hash at once. */
export const PASSWORD_MAX_BYTES = 1024

/** Failed sign-ins an account bears from strangers within the window before it answers 429. */
export const LOGIN_FAILURES_PER_ACCOUNT = 10
export const LOGIN_WINDOW_SECONDS = 15 * 60
export const LOGINS_PER_ACCOUNT: Limit = {
  name: 'failures-of-account',
  most: LOGIN_FAILURES_PER_ACCOUNT,
  windowSeconds: LOGIN_WINDOW_SECONDS,
}

/** Letters that anybody can have sent to one account within the window. */
export const LETTERS_PER_ACCOUNT = 3
export const LETTER_WINDOW_SECONDS = 3600

/**
 * Generations by which siblings may overtake a request inside the grace. Bounded, for a thief who rotates again and
 * again keeps the grace open, and must not be able to keep the owner waiting for ever.
 */
export const OVERTAKEN_MAX = 8

/** Lost answers in as many generations running, outside the grace and without an Idempotency-Key, that are believed. */
export const LATE_REPLAYS_BELIEVED = 4
