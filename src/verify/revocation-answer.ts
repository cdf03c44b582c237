/** What `GET /revocations` of Keyturn answers. Times are seconds since 1970. */
export interface RevocationAnswer {
  readonly revoked: readonly { readonly sid: string; readonly expires_at: number }[]
  /** Where the next question begins. */
  readonly cursor: string
}

const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i
const CURSOR_MAX_LENGTH = 1024

/**
 * The answer, if all of it is one: a list with holes would let somebody through.
 * @throws Error that says what is missing
 */
export function readRevocationAnswer(body: unknown): RevocationAnswer {
  const { revoked, cursor }: { revoked?: unknown; cursor?: unknown } = Object(body)
  if (typeof cursor !== 'string' || cursor === '' || cursor.length > CURSOR_MAX_LENGTH)
    throw new Error('the answer of the revocation feed has no cursor')
  if (!Array.isArray(revoked) || !revoked.every(isRevocation))
    throw new Error('the answer of the revocation feed has no list of sid and expires_at')
  return { revoked, cursor }
}

function isRevocation(value: unknown): value is RevocationAnswer['revoked'][number] {
  const { sid, expires_at: expiresAt }: { sid?: unknown; expires_at?: unknown } = Object(value)
  return typeof sid === 'string' && UUID.test(sid) && Number.isSafeInteger(expiresAt)
}
