import type { AuthNeeds } from './auth.ts'
import { emailFaults, emailKey, refuseFaults } from './identity.ts'
import type { Caller } from './ports.ts'
import { letterCounter } from './verify-email.ts'

/**
 * Has a letter sent by which a new password can be set; who asks learns nothing, whether or not there is an account.
 * @throws AuthError `validation_failed` for what is no address at all, `unavailable`
 */
export async function requestReset(needs: AuthNeeds, email: string, caller: Caller): Promise<void> {
  refuseFaults({ email: emailFaults(email) })
  const addressKey = emailKey(email)
  await needs.changes.requestReset(addressKey, letterCounter(needs.keys, addressKey), caller)
  needs.outbox.wake()
}
