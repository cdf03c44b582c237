import type { AccessClaims } from './access-token.ts'
import { bearerOf } from './access-token.ts'
import type { AuthNeeds } from './auth.ts'
import type { ChangeableAccount, NewUsername } from './change-ports.ts'
import { confirmPassword, wrongPassword } from './confirm-password.ts'
import type { Limit } from './errors.ts'
import { AuthError } from './errors.ts'
import { claimedKey, emailKey, keptEmail, refuseFaults, usernameFaults, usernameKey } from './identity.ts'
import { encodeLinkToken, isGenuine, readLinkToken } from './link-token.ts'
import { newEmailFaults } from './own-address.ts'
import { EMAIL_LINK_TTL_SECONDS, UNDO_LINK_TTL_SECONDS } from './policy.ts'
import type { AccountWithHash, Caller } from './ports.ts'
import type { ServerKeys } from './server-keys.ts'
import { letterCounter } from './verify-email.ts'

/** Ways back are kept for so many changes; whoever steals an account must not be able to use them up. */
const CHANGES_PER_ACCOUNT: Limit = {
  name: 'address-changes-of-account',
  most: 5,
  windowSeconds: UNDO_LINK_TTL_SECONDS,
}

/**
 * Asks for another address. Nothing changes until the link that goes there is used; the old address is told, with a
 * link that undoes it. An address of somebody else is not revealed: its owner is told, and nobody else.
 * @throws AuthError `wrong_password`, `validation_failed` for `email`, `rate_limited`, `invalid_token` when the
 * account is gone, `unavailable`
 */
export async function requestEmailChange(
  needs: AuthNeeds,
  claims: AccessClaims,
  { email, password }: { readonly email: string; readonly password: string },
  caller: Caller,
): Promise<void> {
  refuseFaults({ email: newEmailFaults(needs.policy.ownMail, email) })
  const account = await confirmPassword(needs, claims, 'password', password, caller)
  if (account.email === keptEmail(email) && account.emailVerified) {
    throw new AuthError('validation_failed', { fields: { email: ['This is your address already.'] } })
  }
  if (!(await noteEmailChange(needs, claims, account, email, caller))) throw wrongPassword('password')
}

/**
 * Notes the change for an account whose owner has shown who he is. False when its password has changed meanwhile.
 * @throws AuthError `rate_limited`, `invalid_token` when the account is gone, `unavailable`
 */
export async function noteEmailChange(
  needs: AuthNeeds,
  claims: AccessClaims,
  account: AccountWithHash,
  email: string,
  caller: Caller,
): Promise<boolean> {
  const found = await needs.changes.findFor(bearerOf(claims))
  if (found === undefined) throw new AuthError('invalid_token')
  refuseTooMany(found)
  const addressKey = emailKey(email)
  const isNoted = await needs.changes.requestEmailChange({
    userId: account.id,
    boughtWith: account.passwordHash,
    email: keptEmail(email),
    emailKey: addressKey,
    counter: letterCounter(needs.keys, addressKey),
    caller,
  })
  if (isNoted) needs.outbox.wake()
  return isNoted
}

/** Another change is free once so many of those that count are a week old that one more may be kept. */
function refuseTooMany({ formerEmails, now }: ChangeableAccount): void {
  const newest = formerEmails.map(({ replacedAt }) => replacedAt).sort((one, other) => other - one)
  const last = newest[CHANGES_PER_ACCOUNT.most - 1]
  if (last === undefined) return
  const waitMs = last + CHANGES_PER_ACCOUNT.windowSeconds * 1000 - now
  throw new AuthError('rate_limited', {
    retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
    limit: CHANGES_PER_ACCOUNT,
  })
}

/**
 * Makes the new address the address, by the token that was mailed there.
 * @throws AuthError `link_invalid`, also when somebody else has verified the address meanwhile
 */
export async function confirmEmailChange(needs: AuthNeeds, token: string, caller: Caller): Promise<void> {
  const { found } = await findByLink(needs, 'change_email', token, EMAIL_LINK_TTL_SECONDS, changeStates)
  const { account, emailKey: oldKey, pendingEmail, pendingEmailKey: pendingKey } = found
  const username = nameThatFollows(account.username, oldKey, pendingEmail)
  const confirmation = { userId: account.id, oldKey, pendingKey, username, caller }
  if (!(await needs.changes.confirmEmailChange(confirmation))) throw new AuthError('link_invalid')
}

/**
 * Undoes a change of address, pending or done, by the token that was mailed to the old address; every session ends
 * and a letter for a new password goes there.
 * @throws AuthError `link_invalid`
 */
export async function undoEmailChange(needs: AuthNeeds, token: string, caller: Caller): Promise<void> {
  const { found, state } = await findByLink(needs, 'undo_email', token, UNDO_LINK_TTL_SECONDS, undoStates)
  const [oldKey = ''] = state
  const former = found.formerEmails.find(({ emailKey }) => emailKey === oldKey)
  const username = former && nameThatFollows(found.account.username, found.emailKey, former.email)
  const ended = await needs.changes.undoEmailChange({ userId: found.account.id, oldKey, username, caller })
  if (ended === undefined) throw new AuthError('link_invalid')
  needs.revoked.add(ended)
  needs.outbox.wake()
}

/** The token for the letter to the new address, which names both, or to the old one, which is good for any later change. */
export function makeEmailToken(
  keys: ServerKeys,
  purpose: 'change_email' | 'undo_email',
  change: {
    readonly userId: number
    readonly oldKey: string
    readonly newKey: string
    readonly issuedAt: number
  },
): string {
  const { userId, issuedAt, oldKey, newKey } = change
  const state = purpose === 'change_email' ? [oldKey, newKey] : [oldKey]
  return encodeLinkToken(keys, purpose, { userId, issuedAt, state })
}

function changeStates({ emailKey, pendingEmailKey }: ChangeableAccount): string[][] {
  return pendingEmailKey === '' ? [] : [[emailKey, pendingEmailKey]]
}

/** Addresses that there is a way back to: each that it had, and the one it has while another is pending. */
function undoStates({ emailKey, pendingEmailKey, formerEmails }: ChangeableAccount): string[][] {
  const present = pendingEmailKey === '' ? [] : [[emailKey]]
  return [...formerEmails.map((former) => [former.emailKey]), ...present]
}

/** A user name that is an address may be nobody's but its account's: it goes with the address. */
function nameThatFollows(username: string, fromKey: string, email: string): NewUsername | undefined {
  if (!username.includes('@') || usernameKey(username) !== fromKey) return undefined
  return usernameFaults(email, email).length > 0 ? undefined : { text: email, key: claimedKey(email) }
}

/** The account a link is for, and which of the states that would make the link good it is in. */
async function findByLink(
  needs: AuthNeeds,
  purpose: 'change_email' | 'undo_email',
  token: string,
  ttlSeconds: number,
  statesOf: (found: ChangeableAccount) => string[][],
): Promise<{ found: ChangeableAccount; state: string[] }> {
  const claims = readLinkToken(purpose, token)
  if (claims === undefined) throw new AuthError('link_invalid')
  const found = await needs.changes.find(claims.userId)
  if (found === undefined || found.account.disabled) throw new AuthError('link_invalid')
  const state = statesOf(found).find((each) => isGenuine(needs.keys, purpose, claims, each))
  if (state === undefined || found.now >= claims.issuedAt + ttlSeconds * 1000)
    throw new AuthError('link_invalid')
  return { found, state }
}
