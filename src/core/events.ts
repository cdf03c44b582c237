import type { Verdict } from './rotation.ts'

/** Every kind of line in the security record, and what it says. Kept: a kind that stands in a table has to stay readable. */
export const EVENTS = {
  registered: 'an account was made',
  email_verified: 'its address was confirmed',
  verification_requested: 'a letter to confirm the address was asked for again',
  login: 'a sign-in, and a session begins',
  login_failed: 'a sign-in was refused: wrong_password, rate_limited, …',
  logout: 'one session was ended by its owner, or by a service for them',
  logout_everywhere: 'all sessions were ended by their owner or an operator',
  reset_requested: 'a letter for a new password was asked for',
  password_reset: 'a new password by that letter or by an operator; every session ends',
  password_changed: 'a new password by the old one; every other session ends',
  email_change_requested: 'another address was asked for; nothing has changed yet',
  email_changed: 'the other address was confirmed',
  email_change_undone: 'the former address was taken back; every session ends',
  account_updated: 'names or profile were changed',
  account_deleted: 'the account was erased; the event names nobody',
  account_disabled: 'an operator disabled the account; every session ends',
  account_enabled: 'an operator enabled it again',
  refresh_refused: 'a genuine refresh token of a session that is over: unknown, revoked, expired, disabled',
  refresh_kept: 'refreshed where tokens do not rotate',
  refresh_healed: 'the database had lost rotations, and the token proved it',
  refresh_replayed: 'an old token inside the grace: a second tab, or a thief who was fast',
  refresh_overtaken: 'an old token inside the grace that newer ones have overtaken: 409',
  refresh_lost_answer: 'an old token after the grace, believed to be a lost answer',
  refresh_theft: 'two parties used one token: the session was ended',
} as const satisfies Record<string, string>

export type EventKind = keyof typeof EVENTS

/** The event of each verdict. `rotate` has none: it is what happens all day, and the session row remembers the last one. */
export const VERDICT_EVENTS = {
  dead: 'refresh_refused',
  keep: 'refresh_kept',
  healed: 'refresh_healed',
  replay: 'refresh_replayed',
  overtaken: 'refresh_overtaken',
  lost_answer: 'refresh_lost_answer',
  theft: 'refresh_theft',
} as const satisfies Record<Exclude<Verdict['kind'], 'rotate'>, EventKind>
