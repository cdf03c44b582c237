import { createHash } from 'node:crypto'
import { Wrong } from './faults.ts'
import { readList } from './lists.ts'
import type { Parser } from './values.ts'

/**
 * A named secret of `JWT_SECRETS` or `SERVER_SECRETS`. The bytes stand in a private field, so that neither
 * `JSON.stringify` nor `util.inspect` nor a logger can show them.
 */
export class SecretKey {
  /** 1 to 64 of `A-Z a-z 0-9 . _ -`. Public: it stands in every token. */
  readonly kid: string
  readonly #bytes: Buffer

  constructor(kid: string, secret: Uint8Array) {
    this.kid = kid
    this.#bytes = Buffer.from(secret)
  }

  /** At least 32 bytes. A fresh copy each time: derive from it once, do not read it per request. */
  get secret(): Buffer {
    return Buffer.from(this.#bytes)
  }
}

/** A kid stands in the header of tokens and in file names, so it takes nothing that would have to be escaped. */
export const KID_FORM = /^[\w.-]{1,64}$/

const recipe =
  "make one with: node -p \"'k1:' + require('node:crypto').randomBytes(32).toString('base64url')\""

/**
 * Keys in order: the first signs, all verify. `kid:base64url,…`, unpadded (RFC 7515 §2), ≥ 32 bytes each (RFC
 * 7518 §3.2).
 */
export const secretKeys: Parser<readonly SecretKey[]> = {
  expected: 'kid:base64url (more after commas; the first signs), each 32 random bytes or more, no padding',
  recipe,
  parse(text) {
    const keys = readList(text, secretKey)
    if (keys instanceof Wrong) return keys
    return repetition(keys, 'kid', (key) => key.kid) ?? repetition(keys, 'secret', bytesOf) ?? keys
  },
}

/**
 * As `secretKeys`, and refresh tokens can tell them apart: they carry one byte of the kid's hash
 * (rotation.md, "The token").
 */
export const serverKeys: Parser<readonly SecretKey[]> = {
  expected: secretKeys.expected,
  recipe,
  parse(text) {
    const keys = secretKeys.parse(text)
    if (keys instanceof Wrong) return keys
    return repetition(keys, 'hash byte of the kid', (key) => kidByte(key.kid), 'rename one kid') ?? keys
  },
}

/** The byte by which a refresh token names its key: the first of SHA-256(kid). */
function kidByte(kid: string): number {
  return createHash('sha256').update(kid).digest().readUInt8(0)
}

/** Whether a secret stands in both lists, under whatever kids. */
export function shareSecret(some: readonly SecretKey[], others: readonly SecretKey[]): boolean {
  const known = new Set(some.map(bytesOf))
  return others.some((key) => known.has(bytesOf(key)))
}

/** For production: what stands in this repository is known to everybody. */
export function refuseKeysOfTests(keys: readonly SecretKey[]): Wrong | undefined {
  if (!keys.some((key) => ofTests.has(bytesOf(key)))) return undefined
  return new Wrong('has a key that the tests of Keyturn use', recipe)
}

/** Those of `test/helpers/app.ts`. */
const ofTests: ReadonlySet<string> = new Set([
  'jZgC2xfqfLESwfz7g6PQ2APe_t-torsJinw6Z9l4aCg',
  '-6o3TfsPjZkfKhQ6gncJQioixhvNYV3t8yVqX8tCOco',
])

function bytesOf(key: SecretKey): string {
  return key.secret.toString('base64url')
}

// Problems name entries by position and never by kid: in a list written the wrong way round the kid is the
// secret.
export function repetition<K>(
  keys: readonly K[],
  what: string,
  valueIn: (key: K) => unknown,
  remedy?: string,
): Wrong | undefined {
  const values = keys.map(valueIn)
  const second = values.findIndex((value, index) => values.indexOf(value) !== index)
  if (second === -1) return undefined
  const first = values.indexOf(values[second])
  return new Wrong(`entries ${first + 1} and ${second + 1} have the same ${what}`, remedy)
}

function secretKey(item: string): SecretKey | Wrong {
  const [, kid = '', encoded = ''] = /^([^:]*):(.*)$/.exec(item) ?? []
  if (!item.includes(':')) return new Wrong('has no kid')
  if (!KID_FORM.test(kid)) return new Wrong('has a kid that is not 1 to 64 of A-Z a-z 0-9 . _ -')
  const bytes = Buffer.from(encoded, 'base64url')
  // Node skips what it cannot decode; only what it would write itself is surely what was meant.
  if (bytes.toString('base64url') !== encoded) return new Wrong('is not base64url without padding')
  const weakness = weaknessOf(encoded, bytes)
  return weakness === undefined ? new SecretKey(kid, bytes) : new Wrong(weakness)
}

/**
 * No test of randomness: it knows the keys that people type, paste and copy. Of 32 random bytes it refuses
 * less than one in a million.
 */
function weaknessOf(encoded: string, bytes: Buffer): string | undefined {
  if (bytes.length < 32) return `is ${bytes.length} bytes long once decoded`
  if (published.has(encoded)) return 'is an example key from a standard'
  if (new Set(bytes).size === 1) return 'is one byte over and over'
  if (new Set(bytes).size < 16) return 'has fewer than 16 different bytes'
  if (/^([\da-f]+|[\dA-F]+)$/.test(encoded)) return 'is hexadecimal, not base64url'
  if (guessable.test(encoded.replace(/[_-]/g, ''))) return 'holds a word that is tried first'
  if (isText(bytes)) return 'decodes to text, so that it was typed and not drawn'
  if (repeats(encoded) || repeats(bytes.toString('latin1'))) return 'repeats itself'
  if (climbs(Buffer.from(encoded)) || climbs(bytes)) return 'counts up or down'
  return undefined
}

// Six letters or more: a shorter word would stand by chance in one good key of a few hundred thousand.
const guessable =
  /secret|password|changeme|example|keyturn|qwerty|asdfgh|default|letmein|replace|insert|123456|abcdef/i

/** RFC 7515 A.1 and RFC 7520 §3.5: in every test suite, and so in every cracker's list. */
const published: ReadonlySet<string> = new Set([
  'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow',
  'hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg',
])

function isText(bytes: Buffer): boolean {
  const text = bytes.toString('utf8')
  return !/[\p{Cc}\uFFFD]/u.test(text.replace(/[\t\r\n]/g, ''))
}

function repeats(text: string): boolean {
  for (let period = 1; period <= text.length / 2; period++) {
    if (text.startsWith(text.slice(period))) return true
  }
  return false
}

function climbs(bytes: Buffer): boolean {
  const steps = [...bytes].map((byte, index) => (byte - (bytes[index - 1] ?? 0)) & 0xff)
  return steps.filter((step, index) => step === steps[index - 1]).length > bytes.length / 2
}
