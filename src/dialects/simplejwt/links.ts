import { Type } from 'typebox'
import { AuthError } from '../../core/errors.ts'
import type { LinkPurpose } from '../../core/link-token.ts'
import { linkNames } from '../../core/link-token.ts'

/** The user of a link as Django writes him: the id in base64url. */
export function uidOf(userId: number): string {
  return Buffer.from(String(userId)).toString('base64url')
}

export const LinkParams = Type.Object({
  uid: Type.String({ maxLength: 64 }),
  token: Type.String({ maxLength: 128 }),
})

/**
 * The token of a link, if it is for the user that stands beside it.
 * @throws AuthError `link_invalid`
 */
export function tokenOf(
  purpose: LinkPurpose,
  link: { readonly uid: string; readonly token: string },
): string {
  const userId = Buffer.from(link.uid, 'base64url').toString('utf8')
  if (!linkNames(purpose, link.token, userId)) throw new AuthError('link_invalid')
  return link.token
}
