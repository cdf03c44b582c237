import type { TProperties } from 'typebox'
import { Type } from 'typebox'
import { AuthError } from '../../core/errors.ts'
import type { Grant } from '../../core/grant.ts'
import type { Account } from '../../core/ports.ts'

/** Fields of a body; what else stands in it is passed over, as Django's serializers do. */
export function fields<T extends TProperties>(properties: T) {
  return Type.Object(properties)
}

export const Username = Type.String({ minLength: 1, maxLength: 400, title: 'Username' })
export const Password = Type.String({ minLength: 1, maxLength: 1024, title: 'Password' })
export const Email = Type.String({ minLength: 1, maxLength: 400, title: 'Email' })
export const Name = Type.String({ maxLength: 400 })

/** An account as it is answered to whoever has just made it. */
export const ACCOUNT_FIELDS = {
  id: Type.Integer(),
  username: Type.String(),
  email: Type.String(),
  first_name: Type.String(),
  last_name: Type.String(),
}

export function accountFields({ id, username, email, firstName, lastName }: Account) {
  return { id, username, email, first_name: firstName, last_name: lastName }
}

/** Whatever is refused: the words of a dialect have many forms. */
export const Refused = Type.Object({}, { additionalProperties: true, description: 'Refused' })

/** The refusals that any endpoint may give, for the document. */
export function withRefusals<T extends object>(answers: T) {
  return { ...answers, '4xx': Refused, '5xx': Refused }
}

/**
 * The token of a registration that promises one.
 * @throws AuthError `account_not_verified` where the account has to wait after all
 */
export function firstGrant(grant: Grant | undefined): Grant {
  if (grant === undefined) throw new AuthError('account_not_verified')
  return grant
}

/** Text without the space around it, which phones add and Django's serializers take off. */
export function trimmed(field: string, text: string): string {
  const bare = text.trim()
  if (bare !== '') return bare
  throw new AuthError('validation_failed', { fields: { [field]: ['This field may not be blank.'] } })
}

/**
 * Waits for a verb whose fields have other names on this wire, and renames them where it complains. `sentences` stand
 * in place of ours where the clients know another one.
 */
export async function renaming<T>(
  deed: Promise<T>,
  names: Readonly<Record<string, string>>,
  sentences: Readonly<Record<string, string>> = {},
): Promise<T> {
  try {
    return await deed
  } catch (error) {
    if (!(error instanceof AuthError) || error.fields === undefined) throw error
    const renamed = Object.entries(error.fields).map(([field, messages]) => [
      names[field] ?? field,
      messages.map((message) => sentences[message] ?? message),
    ])
    throw new AuthError(error.code, {
      fields: Object.fromEntries(renamed),
      ...(error.retryAfterSeconds !== undefined && { retryAfterSeconds: error.retryAfterSeconds }),
    })
  }
}
