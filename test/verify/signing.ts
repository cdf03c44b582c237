import type { KeyObject } from 'node:crypto'
import { createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { VerifierOptions } from '../../src/verify/index.ts'

export const ISSUER = 'https://auth.example.com'
export const AUDIENCE = 'keyturn'
export const KID = 'k1'

/** Signs any header and any payload, to the byte as given: what a forger can do who has the key, and what a fault would do. */
export interface Signer {
  readonly alg: string
  token(header?: unknown, payload?: unknown): string
  signature(input: string): Buffer
}

export interface AsymmetricSigner extends Signer {
  readonly publicKey: KeyObject
  jwk(kid?: string): Record<string, unknown>
}

export function hmacSigner(
  secret: Buffer = randomBytes(32),
  hash = 'sha256',
): Signer & { readonly secrets: string } {
  const signature = (input: string) => createHmac(hash, secret).update(input).digest()
  return {
    alg: 'HS256',
    secrets: `${KID}:${secret.toString('base64url')}`,
    signature,
    token: (header, payload) => assemble('HS256', signature, header, payload),
  }
}

export function keySigner(alg: 'EdDSA' | 'ES256' | 'RS256'): AsymmetricSigner {
  const { privateKey, publicKey } = pairOf(alg)
  const hash = alg === 'EdDSA' ? null : 'sha256'
  const signature = (input: string) =>
    sign(hash, Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return {
    alg,
    publicKey,
    signature,
    token: (header, payload) => assemble(alg, signature, header, payload),
    jwk: (kid = KID) => ({ ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' }),
  }
}

function pairOf(alg: 'EdDSA' | 'ES256' | 'RS256') {
  if (alg === 'EdDSA') return generateKeyPairSync('ed25519')
  if (alg === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return generateKeyPairSync('rsa', { modulusLength: 2048 })
}

function assemble(
  alg: string,
  signature: (input: string) => Buffer,
  header: unknown = { alg, typ: 'at+jwt', kid: KID },
  payload: unknown = claims(),
): string {
  const input = `${encode(header)}.${encode(payload)}`
  return `${input}.${signature(input).toString('base64url')}`
}

/** JSON of a value; text and bytes stay as they are. */
export function encode(value: unknown): string {
  const bytes = Buffer.isBuffer(value) ? value : typeof value === 'string' ? value : JSON.stringify(value)
  return Buffer.from(bytes).toString('base64url')
}

/** What Keyturn writes into a token, of now. */
export function claims(changes: Record<string, unknown> = {}): Record<string, unknown> {
  const iat = Math.floor(Date.now() / 1000)
  return {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: '7',
    iat,
    exp: iat + 900,
    jti: '1b4e28ba-2fa1-4d1b-883f-0016d3cca427',
    sid: '0192d3a4-0000-7000-8000-000000000001',
    gen: 3,
    token_type: 'access',
    user_id: 7,
    username: 'ada',
    email: 'ada@example.com',
    email_verified: true,
    first_name: 'Ada',
    last_name: 'Lovelace',
    roles: ['editor'],
    own: 'AAAAAAAAAAAAAAAAAAAAAA',
    ...changes,
  }
}

export interface LocalServer {
  readonly url: string
  close(): Promise<void>
}

interface Teardown {
  teardown(end: () => unknown): void
}

/** A real HTTP server on this machine, that ends with the test. */
export async function serve(
  t: Teardown,
  answer: (request: IncomingMessage, response: ServerResponse) => unknown,
): Promise<LocalServer> {
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  t.teardown(close)
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, close }
}

/** A JWK Set behind real HTTP. `answers` counts how often it was asked; `status` and `keys` may be changed. */
export async function serveJwks(t: Teardown, keys: readonly unknown[]) {
  const state = {
    keys,
    asked: 0,
    status: 200,
    headers: {} as Record<string, string>,
    hold: Promise.resolve(),
  }
  const server = await serve(t, async (_request, response) => {
    state.asked += 1
    await state.hold
    response.writeHead(state.status, { 'content-type': 'application/jwk-set+json', ...state.headers })
    response.end(JSON.stringify({ keys: state.keys }))
  })
  return Object.assign(state, { url: `${server.url}/.well-known/jwks.json`, close: server.close })
}

export const COMMON = { issuer: ISSUER, audience: AUDIENCE } as const satisfies Partial<VerifierOptions>
