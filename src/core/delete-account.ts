import type { AccessClaims } from './access-token.ts'
import type { AuthNeeds } from './auth.ts'
import { confirmPassword, wrongPassword } from './confirm-password.ts'
import type { Caller } from './ports.ts'

/**
 * Erases the account of somebody who knows its password: its data is gone, its sessions end, its name is free.
 * @throws AuthError `wrong_password`, `rate_limited`, `invalid_token` when it is gone already, `unavailable`
 */
export async function deleteAccount(
  needs: AuthNeeds,
  claims: AccessClaims,
  password: string,
  caller: Caller,
): Promise<void> {
  const account = await confirmPassword(needs, claims, 'password', password, caller)
  const ended = await needs.changes.erase(account.id, account.passwordHash)
  if (ended === undefined) throw wrongPassword('password')
  needs.revoked.add([claims.sid, ...ended])
}
