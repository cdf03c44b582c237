import type { AccessClaims } from './access-token.ts'
import { bearerOf } from './access-token.ts'
import type { AuthNeeds } from './auth.ts'
import { noteEmailChange } from './change-email.ts'
import { AuthError } from './errors.ts'
import { emailFaults, refuseFaults } from './identity.ts'
import { newPasswordFaults } from './new-password.ts'
import type { Account, Caller } from './ports.ts'
import type { AccountEdit } from './update-account.ts'
import { updateAccount } from './update-account.ts'

/** What an owner may set by the access token alone, where clients know no other way. */
export interface AccountOverwrite extends AccountEdit {
  readonly email: string | undefined
  readonly password: string | undefined
}

/**
 * Changes names and profile, password and address together, and asks for no present password: for clients that send
 * none. A new password ends every other session and the owner is told; a new address waits for the link that goes
 * there. Whoever has stolen an access token can do this too, and nothing but those letters speaks against it.
 * @throws AuthError `validation_failed`, `rate_limited`, `invalid_token` when the account is gone, `unavailable`
 */
export async function overwriteAccount(
  needs: AuthNeeds,
  claims: AccessClaims,
  { email, password, ...edit }: AccountOverwrite,
  caller: Caller,
): Promise<Account> {
  const found = await needs.changes.findFor(bearerOf(claims))
  if (found === undefined || found.account.disabled) throw new AuthError('invalid_token')
  const isMoving = email !== undefined && email !== '' && email !== found.account.email
  refuseFaults({
    email: isMoving ? emailFaults(email) : [],
    password: password === undefined ? [] : await newPasswordFaults(needs, password, found.account),
  })
  const account = await updateAccount(needs, claims, edit, caller)
  if (password !== undefined) await setPassword(needs, claims, password, caller)
  if (isMoving) await moveEmail(needs, claims, email, caller)
  return account
}

async function setPassword(
  needs: AuthNeeds,
  claims: AccessClaims,
  password: string,
  caller: Caller,
): Promise<void> {
  const account = await present(needs, claims)
  const ended = await needs.changes.setPassword({
    userId: account.id,
    old: account.passwordHash,
    fresh: await needs.passwords.hash(password),
    provesEmailKey: undefined,
    keepSessionId: claims.sid,
    history: needs.policy.passwordHistory,
    event: { kind: 'password_changed', caller, userId: account.id, sessionId: claims.sid },
  })
  if (ended === undefined) throw new AuthError('unavailable', { retryAfterSeconds: 1 })
  needs.revoked.add(ended)
  needs.outbox.wake()
}

async function moveEmail(
  needs: AuthNeeds,
  claims: AccessClaims,
  email: string,
  caller: Caller,
): Promise<void> {
  if (!(await noteEmailChange(needs, claims, await present(needs, claims), email, caller))) {
    throw new AuthError('unavailable', { retryAfterSeconds: 1 })
  }
}

async function present(needs: AuthNeeds, claims: AccessClaims) {
  const found = await needs.changes.findFor(bearerOf(claims))
  if (found === undefined) throw new AuthError('invalid_token')
  return found.account
}
