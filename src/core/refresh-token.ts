import { stringify as formatUuid, parse as parseUuid } from 'uuid'
import type { ServerKeys } from './server-keys.ts'

declare const refreshToken: unique symbol
/** A refresh token on the wire. Branded, so that it cannot slip into a log line as a mere string. */
export type RefreshToken = string & { readonly [refreshToken]: true }

/** What a refresh token says once its MAC has been found good. */
export interface RefreshClaims {
  readonly userId: number
  readonly sessionId: string
  readonly generation: number
}

/** The same as read from a token, with the name of the server key that made it. */
export interface PresentedRefreshClaims extends RefreshClaims {
  readonly key: number
}

/** Secret scanners find a leaked token by this. */
export const REFRESH_TOKEN_PREFIX = 'ktr_'

/** Generations are a Postgres `integer`; one below its end, so that the successor still fits. */
export const GENERATION_MAX = 2 ** 31 - 2

const VERSION = 1
const BODY_BYTES = 30
const MAC_BYTES = 24
const WIRE_FORM = /^ktr_[A-Za-z0-9_-]{72}$/

/**
 * `"ktr_" + base64url(version(1) ‖ key(1) ‖ user id(8) ‖ session id(16) ‖ generation(4) ‖ MAC(24))`.
 * The same claims under the same key always give the same bytes: a lost answer is made again, not stored.
 */
export function encodeRefreshToken(keys: ServerKeys, claims: RefreshClaims): RefreshToken {
  const body = Buffer.alloc(BODY_BYTES)
  body.writeUInt8(VERSION, 0)
  body.writeUInt8(keys.current, 1)
  body.writeBigUInt64BE(BigInt(claims.userId), 2)
  body.set(parseUuid(claims.sessionId), 10)
  body.writeUInt32BE(claims.generation, 26)
  const mac = keys.macWithCurrent('refresh', body, MAC_BYTES)
  return (REFRESH_TOKEN_PREFIX + Buffer.concat([body, mac]).toString('base64url')) as RefreshToken
}

/** The claims of a token that Keyturn made, or `undefined` for anything else; costs one HMAC and no database. */
export function decodeRefreshToken(keys: ServerKeys, token: string): PresentedRefreshClaims | undefined {
  if (!WIRE_FORM.test(token)) return undefined
  const bytes = Buffer.from(token.slice(REFRESH_TOKEN_PREFIX.length), 'base64url')
  const body = bytes.subarray(0, BODY_BYTES)
  if (body.readUInt8(0) !== VERSION) return undefined
  if (!keys.verify('refresh', body.readUInt8(1), body, bytes.subarray(BODY_BYTES))) return undefined
  const generation = body.readUInt32BE(26)
  if (generation > GENERATION_MAX) return undefined
  return {
    key: body.readUInt8(1),
    userId: Number(body.readBigUInt64BE(2)),
    sessionId: formatUuid(body.subarray(10, 26)),
    generation,
  }
}
