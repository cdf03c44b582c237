import { AuthError } from './errors.ts'
import { claimedKey, keptForm, refuseFaults, usernameFaults } from './identity.ts'
import { assertNewPassword } from './new-password.ts'
import type { OperatorNeeds } from './operator.ts'
import { assertPasswordSize } from './password.ts'
import type { AccountWithHash, Caller } from './ports.ts'

/** What an operator does with somebody's account. Replicas of the service hear of ended sessions from the database. */

/**
 * Ends every session, and lets nobody sign in.
 * @returns how many sessions ended; `undefined` when it was disabled before
 */
export async function disableUser(
  needs: OperatorNeeds,
  { id }: AccountWithHash,
  caller: Caller,
): Promise<number | undefined> {
  return (await needs.operator.setDisabled(id, true, { kind: 'account_disabled', caller, userId: id }))
    ?.length
}

/** @returns false when it was enabled before */
export async function enableUser(
  needs: OperatorNeeds,
  { id }: AccountWithHash,
  caller: Caller,
): Promise<boolean> {
  const ended = await needs.operator.setDisabled(id, false, { kind: 'account_enabled', caller, userId: id })
  return ended !== undefined
}

/**
 * Sets a password and ends every session; the owner is told by mail.
 * @returns how many sessions ended
 * @throws AuthError `validation_failed`, `account_disabled`, `unavailable`
 */
export async function setUserPassword(
  needs: OperatorNeeds,
  account: AccountWithHash,
  password: string,
  caller: Caller,
): Promise<number> {
  if (account.disabled) throw new AuthError('account_disabled')
  assertPasswordSize('password', password)
  await assertNewPassword(needs, 'password', password, account)
  const ended = await needs.changes.setPassword({
    userId: account.id,
    old: account.passwordHash,
    fresh: await needs.passwords.hash(password),
    provesEmailKey: undefined,
    keepSessionId: undefined,
    history: needs.policy.passwordHistory,
    event: { kind: 'password_reset', caller, userId: account.id, reason: 'operator' },
  })
  // Somebody changed it at this very moment: it was looked at too early.
  if (ended === undefined) throw new AuthError('unavailable', { retryAfterSeconds: 1 })
  return ended.length
}

/**
 * Gives the account another user name, one that its owner could have chosen.
 * @throws AuthError `validation_failed`, `unavailable`
 */
export async function renameUser(
  needs: OperatorNeeds,
  { id, email }: AccountWithHash,
  username: string,
  caller: Caller,
): Promise<void> {
  refuseFaults({ username: usernameFaults(username, email) })
  const fresh = { text: keptForm(username), key: claimedKey(username) }
  const rest = { firstName: undefined, lastName: undefined, profile: undefined }
  const renamed = await needs.changes.update(
    { userId: id, sessionId: undefined },
    { username: fresh, ...rest },
    caller,
  )
  if (renamed === 'username_taken') refuseFaults({ username: ['A user with that username already exists.'] })
  if (renamed === undefined) throw new AuthError('unavailable', { retryAfterSeconds: 1 })
}

/** @returns how many sessions ended */
export async function logOutUser(
  needs: OperatorNeeds,
  { id }: AccountWithHash,
  caller: Caller,
): Promise<number> {
  const event = { kind: 'logout_everywhere', caller, userId: id, reason: 'operator' } as const
  return (await needs.sessions.revokeAll(id, 'logout_everywhere', event)).length
}

/**
 * Erases the account as its owner would: its data is gone, its sessions end, its name is free.
 * @returns how many sessions ended
 * @throws AuthError `unavailable` when it changed at this very moment
 */
export async function eraseUser(
  needs: OperatorNeeds,
  { id, passwordHash }: AccountWithHash,
): Promise<number> {
  const ended = await needs.changes.erase(id, passwordHash)
  if (ended === undefined) throw new AuthError('unavailable', { retryAfterSeconds: 1 })
  return ended.length
}
