import type { AuthNeeds } from './auth.ts'
import { AuthError } from './errors.ts'
import { emailFaults, emailKey, refuseFaults } from './identity.ts'
import { encodeLinkToken, isGenuine, readLinkToken } from './link-token.ts'
import { VERIFY_LINK_TTL_SECONDS } from './policy.ts'
import type { Caller, LetterCounter } from './ports.ts'
import type { ServerKeys } from './server-keys.ts'

/**
 * Confirms an address by the token of its letter. The first to confirm an address owns it; of concurrent uses of
 * one link exactly one succeeds.
 * @throws AuthError `link_invalid` for a link that is spent, expired, outrun by a change, or not ours
 */
export async function verifyEmail(needs: AuthNeeds, token: string, caller: Caller): Promise<void> {
  const claims = readLinkToken('verify_email', token)
  if (claims === undefined) throw new AuthError('link_invalid')
  const found = await needs.accounts.findForLink(claims.userId)
  if (found === undefined) throw new AuthError('link_invalid')

  const isOpen =
    isGenuine(needs.keys, 'verify_email', claims, linkState(found.emailKey, found.account.emailVerified)) &&
    found.now < claims.issuedAt + VERIFY_LINK_TTL_SECONDS * 1000
  if (!isOpen) throw new AuthError('link_invalid')
  if (!(await needs.accounts.verifyEmail(claims.userId, found.emailKey, caller)))
    throw new AuthError('link_invalid')
}

/** The token for a verification letter, made when the letter is written and stored nowhere. */
export function makeVerifyToken(
  keys: ServerKeys,
  userId: number,
  addressKey: string,
  issuedAt: number,
): string {
  return encodeLinkToken(keys, 'verify_email', { userId, issuedAt, state: linkState(addressKey, false) })
}

/**
 * Has the letter sent again, if there is an account that waits for it; the caller learns nothing either way.
 * @throws AuthError `validation_failed` for what is no address at all, `unavailable`
 */
export async function resendVerification(needs: AuthNeeds, email: string, caller: Caller): Promise<void> {
  refuseFaults({ email: emailFaults(email) })
  const addressKey = emailKey(email)
  await needs.accounts.requestVerification(addressKey, letterCounter(needs.keys, addressKey), caller)
  needs.outbox.wake()
}

/** All letters that strangers can cause to one address count together, whatever caused them. */
export function letterCounter(keys: ServerKeys, addressKey: string): LetterCounter {
  return `letters:${keys.macWithCurrent('guard', addressKey, 16).toString('base64url')}` as LetterCounter
}

/** What using the link changes, so that the use makes the link void. */
function linkState(addressKey: string, verified: boolean): string[] {
  return [addressKey, verified ? 'verified' : 'unverified']
}
