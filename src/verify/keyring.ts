import type { CryptoKey } from 'jose'
import { importJWK } from 'jose'
import { decodeBase64url } from './base64.ts'

/** The algorithms of Keyturn. A key has exactly one of them (RFC 8725, 3.1). */
export type Algorithm = 'HS256' | 'EdDSA' | 'ES256' | 'RS256'

export interface VerificationKey {
  readonly alg: Algorithm
  readonly key: CryptoKey | Uint8Array
}

/** Keys by kid; a Map, so that no kid can name what every object has. */
export type Keyring = ReadonlyMap<string, VerificationKey>

const SECRET_FORM = /^([\w.-]{1,64}):([\w-]+)$/
const SECRET_MIN_BYTES = 32
const RSA_MIN_BITS = 2048

/**
 * The shared keys of JWT_SECRETS: `kid:base64url,…`, all verify.
 * @throws TypeError that names the entry by its place: in a list written the wrong way round the kid is the secret
 */
export async function secretKeyring(text: string): Promise<Keyring> {
  const entries = readSecrets(text)
  const keys = entries.map(async ([kid, secret]): Promise<[string, VerificationKey]> => {
    const hmac = { name: 'HMAC', hash: 'SHA-256' }
    return [kid, { alg: 'HS256', key: await crypto.subtle.importKey('raw', secret, hmac, false, ['verify']) }]
  })
  return new Map(await Promise.all(keys))
}

/** @throws TypeError as `secretKeyring` */
export function readSecrets(text: string): [kid: string, secret: Uint8Array<ArrayBuffer>][] {
  const entries = text.split(',').map((entry, index): [string, Uint8Array<ArrayBuffer>] => {
    const [, kid = '', encoded = ''] = SECRET_FORM.exec(entry.trim()) ?? []
    const secret = decodeBase64url(encoded)
    if (secret !== undefined && secret.length >= SECRET_MIN_BYTES) return [kid, secret]
    const wanted = `kid:base64url without padding, ${SECRET_MIN_BYTES} bytes or more`
    throw new TypeError(`secrets: entry ${index + 1} is not ${wanted}, as in JWT_SECRETS of Keyturn`)
  })
  if (new Set(entries.map(([kid]) => kid)).size < entries.length)
    throw new TypeError('secrets: two entries have the same kid')
  return entries
}

/**
 * The public keys of a JWK Set (RFC 7517) that fit: named, for signatures, of an algorithm of ours. Symmetric keys are
 * never taken from a document that anybody may read, and a kid that stands there twice names nothing.
 * @throws Error where not one fits: such an answer must not replace good keys
 */
export async function jwksKeyring(document: unknown): Promise<Keyring> {
  const listed: unknown = isRecord(document) ? document['keys'] : undefined
  const jwks = Array.isArray(listed) ? listed.filter(isRecord) : []
  const ring = new Map<string, VerificationKey>()
  for (const jwk of jwks) {
    const { kid } = jwk
    if (typeof kid !== 'string' || jwks.filter((other) => other['kid'] === kid).length > 1) continue
    const key = await publicKey(jwk)
    if (key !== undefined) ring.set(kid, key)
  }
  if (ring.size === 0) throw new Error('the JWK Set has no key for EdDSA, ES256 or RS256 with a kid')
  return ring
}

async function publicKey(jwk: Readonly<Record<string, unknown>>): Promise<VerificationKey | undefined> {
  const found = algorithmOf(jwk)
  if (found === undefined || (jwk['alg'] ?? found.alg) !== found.alg) return undefined
  if ((jwk['use'] ?? 'sig') !== 'sig') return undefined
  const { key_ops: operations = ['verify'] } = jwk
  if (!Array.isArray(operations) || !operations.includes('verify')) return undefined
  try {
    const key = await importJWK(found.jwk, found.alg)
    if ('algorithm' in key && bitsOf(key) < RSA_MIN_BITS) return undefined
    return { alg: found.alg, key }
  } catch {
    // A key that cannot be read must not take the others with it.
    return undefined
  }
}

/** The algorithm that the key is for, by its own kind, and its public members alone. */
function algorithmOf({ kty, crv, x, y, n, e }: Readonly<Record<string, unknown>>) {
  if (kty === 'OKP' && crv === 'Ed25519' && isText(x)) return { alg: 'EdDSA', jwk: { kty, crv, x } } as const
  if (kty === 'EC' && crv === 'P-256' && isText(x) && isText(y))
    return { alg: 'ES256', jwk: { kty, crv, x, y } } as const
  if (kty === 'RSA' && isText(n) && isText(e)) return { alg: 'RS256', jwk: { kty, n, e } } as const
  return undefined
}

function bitsOf({ algorithm }: CryptoKey): number {
  const bits: unknown = 'modulusLength' in algorithm ? algorithm.modulusLength : undefined
  return typeof bits === 'number' ? bits : Number.POSITIVE_INFINITY
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
