import type { AccessClaims } from './access-token.ts'
import type { AuthNeeds } from './auth.ts'
import { confirmPassword, wrongPassword } from './confirm-password.ts'
import { assertNewPassword } from './new-password.ts'
import type { Caller } from './ports.ts'

export interface NewPassword {
  readonly current: string
  readonly fresh: string
}

/**
 * Changes the password of somebody who knows the present one; every other session ends.
 * @throws AuthError `wrong_password`, `validation_failed` for `new_password`, `rate_limited`, `unavailable`
 */
export async function changePassword(
  needs: AuthNeeds,
  claims: AccessClaims,
  { current, fresh }: NewPassword,
  caller: Caller,
): Promise<void> {
  const account = await confirmPassword(needs, claims, 'current_password', current, caller)
  await assertNewPassword(needs, 'new_password', fresh, account)
  const ended = await needs.changes.setPassword({
    userId: account.id,
    old: account.passwordHash,
    fresh: await needs.passwords.hash(fresh),
    provesEmailKey: undefined,
    keepSessionId: claims.sid,
    history: needs.policy.passwordHistory,
    event: { kind: 'password_changed', caller, userId: account.id, sessionId: claims.sid },
  })
  // Another change was faster, and the password that was given is no longer the present one.
  if (ended === undefined) throw wrongPassword('current_password')
  needs.revoked.add(ended)
  needs.outbox.wake()
}
