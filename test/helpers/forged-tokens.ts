import type { KeyObject } from 'node:crypto'
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  sign,
} from 'node:crypto'
import type { Algorithm } from './keys.ts'
import { newPrivateKey } from './keys.ts'

/** The key that good tokens are signed with, as an attacker could hold it who has stolen it. */
export interface ForgersKey {
  readonly algorithm: Algorithm
  readonly kid: string
  /** A secret, or a private key. */
  readonly key: KeyObject
}

export function secretKey(kid: string, secret: string): ForgersKey {
  return { algorithm: 'HS256', kid, key: createSecretKey(Buffer.from(secret, 'base64url')) }
}

export function privateKey(algorithm: Algorithm, jwk: Record<string, unknown>): ForgersKey {
  return { algorithm, kid: String(jwk['kid']), key: createPrivateKey({ key: jwk, format: 'jwk' }) }
}

/** A token that no verifier may believe. */
export interface ForgedToken {
  /** The row of group A of abuse-cases.md. */
  readonly row: string
  readonly what: string
  readonly token: string
}

type Json = Readonly<Record<string, unknown>>

/**
 * Every forged token of group A that can be made from one good token and, at worst, its key. Those that are signed
 * well show that no signature makes up for what is wrong with the rest.
 * @param nowSeconds since 1970
 */
export function forgedTokens(good: string, key: ForgersKey, nowSeconds: number): ForgedToken[] {
  const parts = split(good)
  const claims: Json = JSON.parse(Buffer.from(parts.payload, 'base64url').toString())
  const header = { alg: key.algorithm, typ: 'at+jwt', kid: key.kid }
  const forged: ForgedToken[] = []
  const add = (row: string, what: string, token: string) => forged.push({ row, what, token })
  /** Signed well, whatever it says. */
  const signed = (head: unknown, body: unknown = parts.payload) => {
    const input = `${segment(head)}.${segment(body)}`
    return `${input}.${signInput(key, input)}`
  }
  const withHeader = (row: string, what: string, head: unknown) => add(row, what, signed(head))
  const withClaims = (row: string, what: string, body: unknown) => add(row, what, signed(header, body))

  for (const alg of ['none', 'None', 'NONE', 'noNe', 'none ']) {
    const head = segment({ ...header, alg })
    const row = alg === 'none' ? 'A1' : 'A2'
    add(row, `alg ${alg} without a signature`, `${head}.${parts.payload}.`)
    add(row, `alg ${alg} with the signature of another`, `${head}.${parts.payload}.${parts.signature}`)
  }
  for (const [alg, digest] of [
    ['HS384', 'sha384'],
    ['HS512', 'sha512'],
  ] as const) {
    const input = `${segment({ ...header, alg })}.${parts.payload}`
    add('A4', `${alg} under the key of ${key.algorithm}`, `${input}.${hmac(digest, materialOf(key), input)}`)
  }
  for (const [what, material] of confusions(key)) {
    const input = `${segment({ ...header, alg: 'HS256' })}.${parts.payload}`
    add('A5', `HS256 with ${what} as the secret`, `${input}.${hmac('sha256', material, input)}`)
  }
  for (const alg of [
    undefined,
    1,
    [key.algorithm],
    {},
    '',
    'x'.repeat(10_000),
    null,
    key.algorithm.toLowerCase(),
  ]) {
    withHeader('A6', `alg ${JSON.stringify(alg)?.slice(0, 20)}`, { ...header, alg })
  }
  for (const crit of [['x'], [], 'x', ['alg'], ['exp', 'exp']]) {
    withHeader('A8', `crit ${JSON.stringify(crit)}`, { ...header, crit, x: 1 })
  }
  withHeader('A9', 'crit null', { ...header, crit: null })
  withHeader('A10', 'b64 false', { ...header, b64: false })
  withHeader('A10', 'b64 false in crit', { ...header, b64: false, crit: ['b64'] })
  for (const kid of [
    '../../dev/null',
    "' OR 1=1--",
    'k'.repeat(10_000),
    '\0',
    { a: 1 },
    [key.kid],
    1,
    null,
    '',
  ]) {
    withHeader('A12', `kid ${JSON.stringify(kid).slice(0, 20)}`, { ...header, kid })
  }
  withHeader('A12', 'no kid', { alg: header.alg, typ: header.typ })
  for (const kid of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    withHeader('A13', `kid ${kid}`, { ...header, kid })
    withHeader('A13', `kid ${kid}, by hand`, `{"alg":"${key.algorithm}","typ":"at+jwt","kid":"${kid}"}`)
  }
  for (const kid of ['unknown', '']) {
    const input = `${segment({ alg: 'HS256', typ: 'at+jwt', kid })}.${parts.payload}`
    add('A14', `HS256 with the empty key and kid "${kid}"`, `${input}.${hmac('sha256', '', input)}`)
  }
  const embedded = embeddedKey()
  for (const [name, value] of Object.entries(embedded.headers)) {
    const input = `${segment({ ...header, alg: 'EdDSA', [name]: value })}.${parts.payload}`
    add('A12', `a key that the token brings in ${name}`, `${input}.${embedded.sign(input)}`)
  }
  withHeader('A17', 'alg twice', `{"alg":"none","alg":"${key.algorithm}","typ":"at+jwt","kid":"${key.kid}"}`)
  withHeader(
    'A17',
    'the same header with other spaces',
    `{ "alg":"${key.algorithm}","typ":"at+jwt","kid":"${key.kid}"}`,
  )
  const text = JSON.stringify(claims)
  withClaims('A17', 'exp twice', text.replace('{', '{"exp":1,'))
  withClaims('A17', 'roles twice', text.replace('{', '{"roles":["admin"],'))
  withClaims('A18', '__proto__ in the payload', text.replace('{', '{"__proto__":{"is_admin":true},'))
  withClaims('A18', 'constructor in the payload', text.replace('{', '{"constructor":{"is_admin":true},'))
  for (const extra of ['=', '==', '+', '/', '%20', 'A', '.', '~']) {
    add('A20', `"${extra}" behind the signature`, good + extra)
  }
  add('A20', 'padding behind the payload', `${parts.header}.${parts.payload}=.${parts.signature}`)
  for (const odd of [
    parts.payload,
    `${parts.header}.${parts.payload}`,
    `${good}.${parts.signature}`,
    `${good}.x.y`,
    '...',
    '..',
    '.',
    'a.b.c.d.e',
    `.${parts.payload}.${parts.signature}`,
    `${parts.header}..${parts.signature}`,
    `${parts.header}.${parts.payload}.`,
  ]) {
    add('A21', `${odd.split('.').length} segments`, odd)
  }
  const json = {
    payload: parts.payload,
    signatures: [{ protected: parts.header, signature: parts.signature }],
  }
  add('A22', 'JWS in JSON', JSON.stringify(json))
  add(
    'A22',
    'JWS in flat JSON',
    JSON.stringify({ payload: parts.payload, protected: parts.header, signature: parts.signature }),
  )
  for (const size of [4097, 5000]) add('A24', `${size} characters`, 'x'.repeat(size))
  withClaims('A24', 'signed, and 5 kB long', { ...claims, more: 'x'.repeat(4000) })
  const { exp: _, ...lasting } = claims
  withClaims('A25', 'no exp', lasting)
  for (const exp of ['1795', String(claims['exp']), null, {}, [], true, [claims['exp']]]) {
    withClaims('A26', `exp ${JSON.stringify(exp)}`, { ...claims, exp })
  }
  withClaims('A26', 'exp a moment ago', { ...claims, exp: nowSeconds - 1 })
  withClaims('A28', 'exp 1e999', text.replace(/"exp":\d+/, '"exp":1e999'))
  withClaims('A28', 'ten years', { ...claims, exp: nowSeconds + 315_360_000 })
  withClaims('A29', 'nbf in a minute', { ...claims, nbf: nowSeconds + 60 })
  withClaims('A29', 'nbf a text', { ...claims, nbf: 'x' })
  for (const iat of [nowSeconds + 86_400, 'x', String(claims['iat']), null, undefined]) {
    withClaims('A30', `iat ${JSON.stringify(iat)}`, { ...claims, iat })
  }
  const iss = String(claims['iss'])
  for (const other of [undefined, `${iss}/`, iss.toUpperCase(), ['evil', iss], [iss], null, 1, '']) {
    withClaims('A32', `iss ${JSON.stringify(other)}`, { ...claims, iss: other })
  }
  for (const aud of [undefined, 'other', ['other'], null, 1, '', String(claims['aud']).toUpperCase()]) {
    withClaims('A38', `aud ${JSON.stringify(aud)}`, { ...claims, aud })
  }
  for (const typ of [
    undefined,
    'JWT',
    'jwt',
    'AT+JWT',
    'application/at+jwt',
    'rt+jwt',
    'at+jwt ',
    null,
    ['at+jwt'],
  ]) {
    withHeader('A33', `typ ${JSON.stringify(typ)}`, { ...header, typ })
  }
  for (const payload of [
    'null',
    '[]',
    '""',
    '1',
    'not json',
    '',
    '{}',
    '{"exp":',
    `${text}x`,
    `\ufeff${text}`,
  ]) {
    withClaims('A21', `payload ${payload.slice(0, 12)}`, payload)
  }
  withClaims(
    'A17',
    'a payload that is no UTF-8',
    Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text)]),
  )
  for (const token_type of ['refresh', undefined]) {
    withClaims('A34', `token_type ${token_type}`, { ...claims, token_type })
  }
  add('A41', 'a signature that is cut', good.slice(0, -4))
  for (const flipped of bitFlips(parts.signature)) {
    add('A41', 'a bit of the signature', `${parts.header}.${parts.payload}.${flipped}`)
  }
  for (let index = 0; index < parts.payload.length; index += 7) {
    const swapped = parts.payload[index] === 'A' ? 'B' : 'A'
    const payload = parts.payload.slice(0, index) + swapped + parts.payload.slice(index + 1)
    add('A41', `character ${index} of the payload`, `${parts.header}.${payload}.${parts.signature}`)
  }
  const other =
    key.algorithm === 'HS256' ? createSecretKey(Buffer.alloc(32, 7)) : newPrivateKey(key.algorithm)
  const input = `${parts.header}.${parts.payload}`
  add('A38', 'another key of the same kid', `${input}.${signInput({ ...key, key: other }, input)}`)
  return forged
}

interface Parts {
  readonly header: string
  readonly payload: string
  readonly signature: string
}

function split(token: string): Parts {
  const [header = '', payload = '', signature = ''] = token.split('.')
  return { header, payload, signature }
}

/** Text and bytes as they are, a segment that is one already unchanged, and all else as JSON. */
function segment(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64url')
  if (typeof value !== 'string') return Buffer.from(JSON.stringify(value)).toString('base64url')
  return /^eyJ[\w-]{40,}$/.test(value) ? value : Buffer.from(value).toString('base64url')
}

/** A good signature over whatever it is. */
export function signInput({ algorithm, key }: ForgersKey, input: string): string {
  if (algorithm === 'HS256') return hmac('sha256', key, input)
  const digest = algorithm === 'EdDSA' ? null : 'sha256'
  return sign(digest, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
}

function hmac(digest: string, secret: KeyObject | Buffer | string, input: string): string {
  return createHmac(digest, secret).update(input).digest('base64url')
}

function materialOf({ key }: ForgersKey): Buffer {
  return key.type === 'secret' ? key.export() : createPublicKey(key).export({ type: 'spki', format: 'der' })
}

/** What everybody knows of a private key, in each form in which it could be taken for a secret. */
function confusions({ algorithm, kid, key }: ForgersKey): [string, Buffer][] {
  if (algorithm === 'HS256') return [['its own kid', Buffer.from(kid)]]
  const open = createPublicKey(key)
  const pem = open.export({ type: 'spki', format: 'pem' }).toString()
  const jwk = { ...open.export({ format: 'jwk' }), kid, alg: algorithm, use: 'sig' }
  const texts: [string, string][] = [
    ['the public PEM', pem],
    ['the public PEM, trimmed', pem.trim()],
    ...[' ', '\n', '\t', '\ufeff', '#c\n', '\u200b'].map((before): [string, string] => [
      `the public PEM behind ${JSON.stringify(before)}`,
      before + pem,
    ]),
    ['the public JWK', JSON.stringify(jwk)],
    ['the JWK set', JSON.stringify({ keys: [jwk] })],
    ['the list of JWKs', JSON.stringify([jwk])],
  ]
  return [
    ...texts.map(([what, text]): [string, Buffer] => [what, Buffer.from(text)]),
    ['the public DER', open.export({ type: 'spki', format: 'der' })],
  ]
}

function embeddedKey() {
  const { publicKey, privateKey: own } = generateKeyPairSync('ed25519')
  const jwk = publicKey.export({ format: 'jwk' })
  return {
    headers: {
      jwk,
      jku: 'http://127.0.0.1:9/jwks.json',
      x5u: 'http://127.0.0.1:9/x5u.pem',
      x5c: [publicKey.export({ type: 'spki', format: 'der' }).toString('base64')],
    },
    sign: (input: string) => sign(null, Buffer.from(input), own).toString('base64url'),
  }
}

/** Each bit that the text stands for, turned over; the unused bits at its end make a second spelling, not a forgery. */
function bitFlips(signature: string): string[] {
  const bytes = Buffer.from(signature, 'base64url')
  const step = bytes.length > 64 ? 7 : 1
  return Array.from({ length: Math.floor((bytes.length * 8) / step) }, (_, index) => {
    const flipped = Buffer.from(bytes)
    const bit = index * step
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
    return flipped.toString('base64url')
  })
}
