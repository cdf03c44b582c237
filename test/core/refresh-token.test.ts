import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import type { RefreshClaims } from '../../src/core/refresh-token.ts'
import {
  decodeRefreshToken,
  encodeRefreshToken,
  GENERATION_MAX,
  REFRESH_TOKEN_PREFIX,
} from '../../src/core/refresh-token.ts'
import { createServerKeys } from '../../src/core/server-keys.ts'

const FIRST = { kid: '2026-01', secret: Buffer.alloc(32, 1) }
const SECOND = { kid: '2026-02', secret: Buffer.alloc(32, 2) }
const keys = createServerKeys([FIRST])

const claims: RefreshClaims = {
  userId: 4711,
  sessionId: '019b76da-a800-7b1c-8d5e-3f0a1b2c3d4e',
  generation: 7,
}

const anyClaims = fc.record({
  userId: fc.maxSafeNat(),
  sessionId: fc.uuid(),
  generation: fc.integer({ min: 0, max: GENERATION_MAX }),
})

/** A token with other bytes, its MAC made by whoever holds `by`. */
function forge(change: (body: Buffer) => void, by = keys): string {
  const body = bytesOf(encodeRefreshToken(by, claims)).subarray(0, 30)
  change(body)
  return wire(Buffer.concat([body, by.macWithCurrent('refresh', body, 24)]))
}

const bytesOf = (token: string) => Buffer.from(token.slice(REFRESH_TOKEN_PREFIX.length), 'base64url')
const wire = (bytes: Buffer) => REFRESH_TOKEN_PREFIX + bytes.toString('base64url')

t.test('what was encoded is decoded, whatever it was', (t) => {
  fc.assert(
    fc.property(anyClaims, (claims) =>
      isDeepStrictEqual(decodeRefreshToken(keys, encodeRefreshToken(keys, claims)), {
        ...claims,
        key: keys.current,
      }),
    ),
    { numRuns: 500 },
  )
  t.pass('500 claims')
  t.end()
})

t.test('the same claims give the same bytes, other claims give others', (t) => {
  fc.assert(
    fc.property(
      anyClaims,
      anyClaims,
      fc.constantFrom('userId', 'sessionId', 'generation'),
      (one, two, field) => {
        const other = { ...one, [field]: two[field] }
        const token = encodeRefreshToken(keys, one)
        const again = encodeRefreshToken(createServerKeys([FIRST]), { ...one })
        return token === again && (token === encodeRefreshToken(keys, other)) === (one[field] === two[field])
      },
    ),
    { numRuns: 500 },
  )
  t.pass('500 pairs')
  t.end()
})

t.test('a token with any one bit changed is refused', (t) => {
  const bytes = bytesOf(encodeRefreshToken(keys, claims))
  const accepted: string[] = []
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const changed = Buffer.from(bytes)
    changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
    if (decodeRefreshToken(keys, wire(changed)) !== undefined)
      accepted.push(`byte ${bit >> 3}, bit ${bit & 7}`)
  }
  t.same(accepted, [], `${bytes.length * 8} bits`)
  t.end()
})

t.test('a token has one spelling: every alias of its base64url is refused', (t) => {
  const token = encodeRefreshToken(keys, { ...claims, userId: 0xfb_ff_bf })
  const body = token.slice(REFRESH_TOKEN_PREFIX.length)
  t.match(body, /[-_]/, 'the token shows the letters in which the alphabets differ')
  const aliases = [
    body.replaceAll('-', '+').replaceAll('_', '/'),
    `${body}=`,
    `${body}==`,
    `${body}\n`,
    `\n${body}`,
    ` ${body}`,
    `${body} `,
    `${body}A`,
    body.slice(0, -1),
    `${body.slice(0, 10)} ${body.slice(10)}`,
    `${body.slice(0, 10)}\n${body.slice(11)}`,
    `${body.slice(0, 10)}.${body.slice(11)}`,
    body.toUpperCase(),
  ]
  for (const alias of aliases)
    t.equal(decodeRefreshToken(keys, REFRESH_TOKEN_PREFIX + alias), undefined, alias)
  for (const prefix of ['', 'KTR_', 'ktr-', 'ktr', ' ktr_', 'ktr_ktr_', '\0ktr_']) {
    t.equal(decodeRefreshToken(keys, prefix + body), undefined, `prefix ${JSON.stringify(prefix)}`)
  }
  t.end()
})

t.test('a token under a key that is not in the ring is refused', (t) => {
  const token = encodeRefreshToken(keys, claims)
  t.equal(decodeRefreshToken(createServerKeys([SECOND]), token), undefined, 'unknown key byte')
  const namesake = createServerKeys([{ ...FIRST, secret: Buffer.alloc(32, 9) }])
  t.equal(decodeRefreshToken(namesake, token), undefined, 'same name, other secret')
  t.end()
})

t.test('a token outlives the rotation of the server secrets while its key is in the ring', (t) => {
  const token = encodeRefreshToken(keys, claims)
  const rotated = createServerKeys([SECOND, FIRST])
  t.same(decodeRefreshToken(rotated, token), { ...claims, key: keys.current })
  t.not(encodeRefreshToken(rotated, claims), token, 'the first key signs')
  t.equal(decodeRefreshToken(keys, encodeRefreshToken(rotated, claims)), undefined)
  t.end()
})

t.test('a genuine MAC does not save a token of another version, key name or purpose', (t) => {
  t.ok(
    decodeRefreshToken(
      keys,
      forge(() => {}),
    ),
    'the forger knows the format',
  )
  for (const version of [0, 2, 255]) {
    t.equal(
      decodeRefreshToken(
        keys,
        forge((body) => body.writeUInt8(version, 0)),
      ),
      undefined,
      `version ${version}`,
    )
  }
  const both = createServerKeys([FIRST, SECOND])
  const second = createServerKeys([SECOND])
  const renamed = forge((body) => body.writeUInt8(second.current, 1))
  t.equal(decodeRefreshToken(both, renamed), undefined, 'names one key, was made by another')

  const body = bytesOf(encodeRefreshToken(keys, claims)).subarray(0, 30)
  for (const purpose of ['link', 'idempotency', 'own', 'guard'] as const) {
    const token = wire(Buffer.concat([body, keys.macWithCurrent(purpose, body, 24)]))
    t.equal(decodeRefreshToken(keys, token), undefined, `a MAC for ${purpose}`)
  }
  t.end()
})

t.test('the last generation still has a successor; beyond it a token is refused', (t) => {
  const at = (generation: number) => forge((body) => body.writeUInt32BE(generation, 26))
  t.equal(decodeRefreshToken(keys, at(GENERATION_MAX))?.generation, GENERATION_MAX)
  t.equal(GENERATION_MAX + 1, 2 ** 31 - 1, 'its successor is the last integer of Postgres')
  for (const generation of [GENERATION_MAX + 1, 2 ** 31, 2 ** 32 - 1]) {
    t.equal(decodeRefreshToken(keys, at(generation)), undefined, String(generation))
  }
  t.end()
})

t.test('garbage is refused and never throws', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: 'binary' }), fc.base64String({ minLength: 72, maxLength: 72 })),
      (text) =>
        [text, REFRESH_TOKEN_PREFIX + text].every((token) => decodeRefreshToken(keys, token) === undefined),
    ),
    { numRuns: 500 },
  )
  const tooLong = REFRESH_TOKEN_PREFIX + 'A'.repeat(1_000_000)
  t.equal(decodeRefreshToken(keys, tooLong), undefined)
  t.end()
})

t.test('the format is the published one, to the byte', (t) => {
  const bytes = bytesOf(encodeRefreshToken(keys, claims))
  t.equal(bytes.length, 54)
  t.equal(bytes.readUInt8(0), 1, 'version')
  t.equal(bytes.readUInt8(1), createHash('sha256').update(FIRST.kid).digest()[0], 'key')
  t.equal(bytes.readBigUInt64BE(2), 4711n, 'user')
  t.equal(bytes.subarray(10, 26).toString('hex'), claims.sessionId.replaceAll('-', ''), 'session')
  t.equal(bytes.readUInt32BE(26), 7, 'generation')
  t.end()
})
