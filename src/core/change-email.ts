import type { AccessClaims } from './access-token.ts'
import type { AuthNeeds } from './auth.ts'
import type { ChangeableAccount } from './change-ports.ts'
import { confirmPassword } from './confirm-password.ts'
import { AuthError } from './errors.ts'
import { emailFaults, emailKey } from './identity.ts'
import { encodeLinkToken, isGenuine, readLinkToken } from './link-token.ts'
import { EMAIL_LINK_TTL_SECONDS, UNDO_LINK_TTL_SECONDS } from './policy.ts'
import type { Caller } from './ports.ts'
import type { ServerKeys } from './server-keys.ts'
import { letterCounter } from './verify-email.ts'

/**
 * Asks for another address. Nothing changes until the link that goes there is used; the old address is told, with a
 * link that undoes it. An address of somebody else is not revealed: its owner is told, and nobody else.
 * @throws AuthError `wrong_password`, `validation_failed` for `email`, `rate_limited`, `unavailable`
 */
export async function requestEmailChange(
  needs: AuthNeeds,
  claims: AccessClaims,
  { email, password }: { readonly email: string; readonly password: string },
  caller: Caller,
): Promise<void> {
  const faults = emailFaults(email)
  if (faults.length > 0) throw new AuthError('validation_failed', { fields: { email: faults } })
  const account = await confirmPassword(needs, claims.user_id, 'password', password, caller)
  const addressKey = emailKey(email)
  const counter = letterCounter(needs.keys, addressKey)
  await needs.changes.requestEmailChange({ userId: account.id, email, emailKey: addressKey, counter, caller })
  needs.outbox.wake()
}

/**
 * Makes the new address the address, by the token that was mailed there.
 * @throws AuthError `link_invalid`, also when somebody else has verified the address meanwhile
 */
export async function confirmEmailChange(needs: AuthNeeds, token: string, caller: Caller): Promise<void> {
  const { found } = await findByLink(
    needs,
    'change_email',
    token,
    EMAIL_LINK_TTL_SECONDS,
    ({ emailKey, pendingEmailKey }) => [[emailKey, pendingEmailKey]],
  )
  const { account, emailKey: oldKey, pendingEmailKey } = found
  const changed = await needs.changes.confirmEmailChange(account.id, oldKey, pendingEmailKey, caller)
  if (!changed) throw new AuthError('link_invalid')
}

/**
 * Undoes a change of address, pending or done, by the token that was mailed to the old address; every session ends
 * and a letter for a new password goes there.
 * @throws AuthError `link_invalid`
 */
export async function undoEmailChange(needs: AuthNeeds, token: string, caller: Caller): Promise<void> {
  const { found, state } = await findByLink(needs, 'undo_email', token, UNDO_LINK_TTL_SECONDS, (account) => [
    [account.emailKey, account.pendingEmailKey],
    [account.previousEmailKey, account.emailKey],
  ])
  const [oldKey = '', newKey = ''] = state
  const ended = await needs.changes.undoEmailChange(found.account.id, oldKey, newKey, caller)
  if (ended === undefined) throw new AuthError('link_invalid')
  needs.revoked.add(ended)
  needs.outbox.wake()
}

/** The token for the letter to the new address, or to the old one; both name the change from one to the other. */
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
  return encodeLinkToken(keys, purpose, { userId, issuedAt, state: [oldKey, newKey] })
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
