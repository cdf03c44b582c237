import type { AuthNeeds } from './auth.ts'
import type { ChangeableAccount } from './change-ports.ts'
import { AuthError } from './errors.ts'
import { encodeLinkToken, isGenuine, readLinkToken } from './link-token.ts'
import { assertNewPassword } from './new-password.ts'
import { assertPasswordSize } from './password.ts'
import { RESET_LINK_TTL_SECONDS } from './policy.ts'
import type { Account, Caller } from './ports.ts'
import type { ServerKeys } from './server-keys.ts'

/**
 * Sets a new password by the token of a letter, and ends every session. The link is void after use, and after any
 * change of password or address; of concurrent uses exactly one succeeds.
 * @throws AuthError `link_invalid`, `validation_failed` for the password, `unavailable`
 */
export async function resetPassword(
  needs: AuthNeeds,
  token: string,
  password: string,
  caller: Caller,
): Promise<void> {
  assertPasswordSize('password', password)
  const { account, emailKey } = await findByLink(needs, token)
  await assertNewPassword(needs, 'password', password, account)

  const ended = await needs.changes.setPassword({
    userId: account.id,
    old: account.passwordHash,
    fresh: await needs.passwords.hash(password),
    provesEmailKey: emailKey,
    keepSessionId: undefined,
    history: needs.policy.passwordHistory,
    event: { kind: 'password_reset', caller, userId: account.id },
  })
  if (ended === undefined) throw new AuthError('link_invalid')
  needs.revoked.add(ended)
  needs.outbox.wake()
}

/**
 * Whose password the link is for. It stays as good as it was.
 * @throws AuthError `link_invalid`
 */
export async function findResetLink(needs: AuthNeeds, token: string): Promise<Account> {
  return (await findByLink(needs, token)).account
}

/** The token for a letter of reset, made when the letter is written and stored nowhere. */
export function makeResetToken(keys: ServerKeys, found: ChangeableAccount, issuedAt: number): string {
  return encodeLinkToken(keys, 'reset_password', {
    userId: found.account.id,
    issuedAt,
    state: linkState(found),
  })
}

async function findByLink(needs: AuthNeeds, token: string): Promise<ChangeableAccount> {
  const claims = readLinkToken('reset_password', token)
  if (claims === undefined) throw new AuthError('link_invalid')
  const found = await needs.changes.find(claims.userId)
  const isOpen =
    found !== undefined &&
    !found.account.disabled &&
    isGenuine(needs.keys, 'reset_password', claims, linkState(found)) &&
    found.now < claims.issuedAt + RESET_LINK_TTL_SECONDS * 1000
  if (!isOpen) throw new AuthError('link_invalid')
  return found
}

function linkState({ account, emailKey }: ChangeableAccount): string[] {
  return [account.passwordHash, emailKey]
}
