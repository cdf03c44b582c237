import { UNDO_LINK_TTL_SECONDS } from './policy.ts'

/** How long what is over is kept before it is swept away, in seconds. */

const DAY = 24 * 3600

/** The security record: half a year is what an investigation looks back, and personal data is kept no longer. */
export const EVENTS_KEPT_SECONDS = 180 * DAY

/** A session that has ended: by its row the device is known, which a lock against strangers does not lock out. */
export const ENDED_SESSIONS_KEPT_SECONDS = 30 * DAY

/** A session that was revoked: its row is what tells a process that starts anew that its access tokens are dead. */
export function revokedKeptSeconds(accessTtlSeconds: number): number {
  return Math.max(ENDED_SESSIONS_KEPT_SECONDS, accessTtlSeconds + DAY)
}

/** Letters that were sent or given up, for whoever asks where one went; and those in the mailbox of development. */
export const LETTERS_KEPT_SECONDS = 7 * DAY

/** An address that an account had before: as long as the link that leads back to it. */
export const FORMER_EMAILS_KEPT_SECONDS = UNDO_LINK_TTL_SECONDS

/** An erased account: until no access token can name it, and a day for clocks that differ. */
export function erasedKeptSeconds(accessTtlSeconds: number): number {
  return accessTtlSeconds + DAY
}
