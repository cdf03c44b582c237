import type { JsonWebKey, KeyObject } from 'node:crypto'
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Wrong } from './faults.ts'
import { KID_FORM, repetition } from './keys.ts'
import type { Parser } from './values.ts'

/** The algorithms of JWT_ALGORITHM that have a private and a public key. */
export type AsymmetricAlgorithm = 'EdDSA' | 'ES256' | 'RS256'

/** A key of `JWT_PRIVATE_KEYS_FILE`. It stands in a private field, so that nothing that prints objects can show it. */
export class PrivateKey {
  /** 1 to 64 of `A-Z a-z 0-9 . _ -`. Public: it stands in every token. */
  readonly kid: string
  readonly algorithm: AsymmetricAlgorithm
  readonly #key: KeyObject

  constructor(kid: string, algorithm: AsymmetricAlgorithm, key: KeyObject) {
    this.kid = kid
    this.algorithm = algorithm
    this.#key = key
  }

  get key(): KeyObject {
    return this.#key
  }
}

/**
 * A JWK set (RFC 7517 §5) of private keys, each with a `kid`: the first of JWT_ALGORITHM signs, all verify. The text
 * is a path, and what comes of it is what stands in the file.
 */
export const privateKeysFile: Parser<readonly PrivateKey[]> = {
  expected: 'the path of a JWK set (RFC 7517) with a private key and a kid in each entry',
  recipe: 'make one with: keyturn keys generate JWT_PRIVATE_KEYS_FILE',
  parse(path) {
    const text = readText(path)
    return text instanceof Wrong ? text : readPrivateKeys(text)
  },
}

/** The same from the text of the file. */
export function readPrivateKeys(text: string): readonly PrivateKey[] | Wrong {
  const entries = entriesOf(text)
  if (entries instanceof Wrong) return entries
  const keys: PrivateKey[] = []
  for (const [index, entry] of entries.entries()) {
    const key = privateKey(entry)
    if (key instanceof Wrong)
      return new Wrong(`names a file whose key ${index + 1} ${key.problem}`, key.remedy)
    keys.push(key)
  }
  const again =
    repetition(keys, 'kid', ({ kid }) => kid, 'rename one') ??
    repetition(keys, 'key', ({ key }) => JSON.stringify(createPublicKey(key).export({ format: 'jwk' })))
  return again === undefined ? keys : new Wrong(`names a file whose ${again.problem}`, again.remedy)
}

function readText(path: string): string | Wrong {
  // A key that was pasted where its path belongs must not be printed, so the path never is.
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'not readable'
    return new Wrong(`cannot be read (${reason})`, 'give the path of a file we may read')
  }
}

function entriesOf(text: string): unknown[] | Wrong {
  if (/-----BEGIN /.test(text)) {
    return new Wrong('names a PEM file, which has no place for a kid', 'turn it into a JWK set')
  }
  try {
    const document: unknown = JSON.parse(text)
    const keys = isObject(document) ? document['keys'] : undefined
    if (!Array.isArray(keys)) return new Wrong('names a file without a list "keys"')
    return keys.length === 0 ? new Wrong('names a file that holds no key') : keys
  } catch {
    return new Wrong('names a file that is no JSON')
  }
}

function privateKey(entry: unknown): PrivateKey | Wrong {
  if (!isObject(entry)) return new Wrong('is no object')
  const { kid, alg, use, d } = entry
  if (kid === undefined) return new Wrong('has no kid')
  if (typeof kid !== 'string' || !KID_FORM.test(kid)) {
    return new Wrong('has a kid that is not 1 to 64 of A-Z a-z 0-9 . _ -')
  }
  const algorithm = algorithmOf(entry)
  if (algorithm instanceof Wrong) return algorithm
  if (typeof d !== 'string')
    return new Wrong('is a public key', 'put the private key there; we publish the other')
  if (alg !== undefined && alg !== algorithm)
    return new Wrong(`is a key for ${algorithm} and says another alg`)
  if (use !== undefined && use !== 'sig') return new Wrong('is not for signing')
  if (published.some((start) => d.startsWith(start) || String(entry['n']).startsWith(start))) {
    return new Wrong('is an example key from a standard')
  }
  const key = importKey(entry)
  if (key instanceof Wrong) return key
  return tooWeak(key) ?? (isWhole(key, entry) ? new PrivateKey(kid, algorithm, key) : MISFIT)
}

const MISFIT = new Wrong('has a private and a public part that do not belong together')

function algorithmOf({ kty, crv }: Readonly<Record<string, unknown>>): AsymmetricAlgorithm | Wrong {
  if (kty === 'oct') return new Wrong('is symmetric', 'symmetric keys belong in JWT_SECRETS')
  if (kty === 'RSA') return 'RS256'
  if (kty === 'OKP') return crv === 'Ed25519' ? 'EdDSA' : new Wrong('is not on the curve Ed25519')
  if (kty === 'EC') return crv === 'P-256' ? 'ES256' : new Wrong('is not on the curve P-256')
  return new Wrong('has a kty that is none of OKP, EC and RSA')
}

function importKey(jwk: JsonWebKey): KeyObject | Wrong {
  try {
    return createPrivateKey({ key: jwk, format: 'jwk' })
  } catch {
    return new Wrong('cannot be read as a key')
  }
}

function tooWeak(key: KeyObject): Wrong | undefined {
  const { modulusLength, publicExponent } = key.asymmetricKeyDetails ?? {}
  if (modulusLength === undefined) return undefined
  if (modulusLength < 2048) return new Wrong(`has ${modulusLength} bits, and RSA needs 2048 (RFC 7518, 3.3)`)
  return publicExponent !== undefined && publicExponent >= 65_537n
    ? undefined
    : new Wrong('has a public exponent below 65537')
}

/** Node takes the two halves of a JWK as they come: what one signs the other must verify. */
function isWhole(key: KeyObject, { d: _, ...entry }: Readonly<Record<string, unknown>>): boolean {
  try {
    const digest = key.asymmetricKeyType === 'ed25519' ? null : 'sha256'
    const message = Buffer.from('whole')
    const told = createPublicKey({ key: entry, format: 'jwk' })
    return verify(digest, message, told, sign(digest, message, key))
  } catch {
    return false
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** How `d`, or the modulus, of the private keys of RFC 8037 A.1, RFC 7515 A.2 and A.3, and RFC 7517 A.2 begins. */
const published: readonly string[] = [
  'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
  'jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI',
  '870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE',
  'ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddx',
  '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAt',
]
