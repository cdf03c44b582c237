import type { ServerKeys } from './server-keys.ts'

/** What a mailed link is for. The number stands in the token; a link for one purpose is nothing to another. */
export const LINK_PURPOSES = { verify_email: 1, reset_password: 2, change_email: 3, undo_email: 4 } as const
export type LinkPurpose = keyof typeof LINK_PURPOSES

/** What a link says before its MAC can be checked: the MAC also covers state that only the account's row knows. */
export interface LinkClaims {
  readonly userId: number
  /** When the link was made, milliseconds since 1970 by the database's clock. */
  readonly issuedAt: number
  /** @internal what `isGenuine` checks */
  readonly key: number
  readonly mac: Buffer
}

const BODY_BYTES = 18
const MAC_BYTES = 24
const WIRE_FORM = /^[A-Za-z0-9_-]{56}$/

/**
 * `base64url(purpose(1) ‖ key(1) ‖ user id(8) ‖ issue time(8) ‖ MAC(24))`. The MAC covers those bytes and the
 * `state` that using the link changes, so the link is void after use or change and nothing needs to be stored.
 */
export function encodeLinkToken(
  keys: ServerKeys,
  purpose: LinkPurpose,
  link: { readonly userId: number; readonly issuedAt: number; readonly state: readonly string[] },
): string {
  const body = bodyOf(purpose, keys.current, link)
  return Buffer.concat([body, keys.macWithCurrent('link', withState(body, link.state), MAC_BYTES)]).toString(
    'base64url',
  )
}

/** The claims of something that has the form of a link of this purpose. Not yet genuine: see `isGenuine`. */
export function readLinkToken(purpose: LinkPurpose, token: string): LinkClaims | undefined {
  if (!WIRE_FORM.test(token)) return undefined
  const bytes = Buffer.from(token, 'base64url')
  if (bytes.readUInt8(0) !== LINK_PURPOSES[purpose]) return undefined
  const userId = bytes.readBigUInt64BE(2)
  const issuedAt = bytes.readBigUInt64BE(10)
  if (userId > BigInt(Number.MAX_SAFE_INTEGER) || issuedAt > BigInt(Number.MAX_SAFE_INTEGER)) return undefined
  return {
    userId: Number(userId),
    issuedAt: Number(issuedAt),
    key: bytes.readUInt8(1),
    mac: bytes.subarray(BODY_BYTES),
  }
}

/** Whether something that has the form of a link is for this user, where the link is written with its user beside it. */
export function linkNames(purpose: LinkPurpose, token: string, userId: string): boolean {
  const claims = readLinkToken(purpose, token)
  return claims !== undefined && String(claims.userId) === userId
}

/** Whether Keyturn made this link for the account in exactly this state. */
export function isGenuine(
  keys: ServerKeys,
  purpose: LinkPurpose,
  claims: LinkClaims,
  state: readonly string[],
): boolean {
  const body = bodyOf(purpose, claims.key, claims)
  return keys.verify('link', claims.key, withState(body, state), claims.mac)
}

function bodyOf(
  purpose: LinkPurpose,
  key: number,
  { userId, issuedAt }: Pick<LinkClaims, 'userId' | 'issuedAt'>,
): Buffer {
  const body = Buffer.alloc(BODY_BYTES)
  body.writeUInt8(LINK_PURPOSES[purpose], 0)
  body.writeUInt8(key, 1)
  body.writeBigUInt64BE(BigInt(userId), 2)
  body.writeBigUInt64BE(BigInt(issuedAt), 10)
  return body
}

/** Each part is preceded by its length, so that no two states run together into the same bytes. */
function withState(body: Buffer, state: readonly string[]): Buffer {
  const parts = state.flatMap((text) => {
    const bytes = Buffer.from(text, 'utf8')
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    return [length, bytes]
  })
  return Buffer.concat([body, ...parts])
}
