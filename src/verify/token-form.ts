import { decodeBase64url } from './base64.ts'
import type { VerifyErrorCode } from './errors.ts'

/** What a token says of itself before anything is believed. */
export interface TokenForm {
  readonly alg: string
  readonly kid: string
}

/** A token of Keyturn is far below this; whatever is longer is not worth decoding. */
const TOKEN_MAX_LENGTH = 4096
const TOKEN_FORM = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/
const KID_FORM = /^[\w.-]{1,64}$/
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const HEADER_NAMES: ReadonlySet<string> = new Set(['alg', 'kid', 'typ'])

/**
 * The header, or why it is none of Keyturn's. Keyturn writes `alg`, `kid` and `typ` and nothing else: a token that
 * brings extensions, keys or URLs (`crit`, `b64`, `jwk`, `jku`, `x5u`) is refused for having them (RFC 8725, 3.10).
 */
export function readForm(token: string): TokenForm | VerifyErrorCode {
  // Callers without a compiler hand over what they have.
  if (typeof token !== 'string' || token.length > TOKEN_MAX_LENGTH) return 'token_malformed'
  const [, head = '', , signature = ''] = TOKEN_FORM.exec(token) ?? []
  // Bits beyond the last byte would give one token several spellings.
  if (head === '' || decodeBase64url(signature) === undefined) return 'token_malformed'
  const header = readJson(decodeBase64url(head))
  if (header === undefined) return 'token_malformed'
  if (Object.keys(header).some((name) => !HEADER_NAMES.has(name))) return 'token_malformed'
  const { alg, kid, typ } = header
  if (typ !== 'at+jwt') return 'typ_not_allowed'
  if (typeof alg !== 'string') return 'alg_not_allowed'
  if (typeof kid !== 'string' || !KID_FORM.test(kid)) return 'kid_unknown'
  return { alg, kid }
}

/**
 * The object in UTF-8 JSON, as `JSON.stringify` writes it. What would not come back the same has a name twice, blanks, or a
 * number that no double can hold; another parser could read something else in it.
 */
export function readJson(bytes: Uint8Array | undefined): Readonly<Record<string, unknown>> | undefined {
  if (bytes === undefined) return undefined
  try {
    const text = utf8.decode(bytes)
    const value: unknown = JSON.parse(text)
    return isObject(value) && JSON.stringify(value) === text ? value : undefined
  } catch {
    // What is no UTF-8 or no JSON is nobody's token; the parser's words would quote it.
    return undefined
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
