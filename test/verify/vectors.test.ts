import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createLocalJWKSet, jwtVerify } from 'jose'
import t from 'tap'
import type { VerifyErrorCode } from '../../src/verify/index.ts'
import { createVerifier } from '../../src/verify/index.ts'
import { serve, serveJwks } from './signing.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const FILES = ['hs256.json', 'eddsa.json', 'es256.json', 'rs256.json']

interface VectorFile {
  readonly algorithm: string
  readonly issuer: string
  readonly audience: string
  readonly keys: { readonly secrets?: string; readonly jwks?: { readonly keys: Record<string, string>[] } }
  readonly revocations: object
  readonly vectors: readonly Vector[]
}

interface Vector {
  readonly name: string
  readonly verdict: 'accept' | 'refuse' | 'refuse-if-strict'
  readonly code?: VerifyErrorCode
  readonly token: string
  readonly claims?: Record<string, unknown>
  readonly needs?: 'revocations'
}

const read = (file: string): VectorFile => JSON.parse(readFileSync(`${ROOT}/vectors/${file}`, 'utf8'))

t.test('the vectors are what the script makes of the fixed keys', async (t) => {
  // Without the loader that tap puts into the environment.
  const command = 'unset NODE_OPTIONS; exec "$0" tools/vectors.mjs --check'
  const { status, stderr } = spawnSync('sh', ['-c', command, process.execPath], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  t.equal(stderr, '')
  t.equal(status, 0)
  t.strictSame(readdirSync(`${ROOT}/vectors`).sort(), [...FILES, 'keys.json'].sort())
})

t.test('the vectors hold every case that was promised, for every algorithm', async (t) => {
  const promised = [
    'good',
    'expired',
    'not yet valid',
    'wrong alg',
    'none',
    'wrong aud',
    'wrong typ',
    'retired kid',
    'revoked',
  ]
  for (const file of FILES) {
    const names = read(file).vectors.map(({ name }) => name)
    t.strictSame(
      promised.filter((name) => !names.includes(name)),
      [],
      file,
    )
    t.equal(new Set(names).size, names.length, 'each name once')
    t.notMatch(readFileSync(`${ROOT}/vectors/${file}`, 'utf8'), /"d":/, 'no private key stands in it')
  }
})

for (const file of FILES) {
  t.test(`keyturn/verify says of each vector of ${file} what stands there`, async (t) => {
    const { issuer, audience, keys, revocations, vectors } = read(file)
    const feed = await serve(t, (_, response) => response.end(JSON.stringify(revocations)))
    const jwks = await serveJwks(t, keys.jwks?.keys ?? [])
    const common = { issuer, audience, maxLifetimeSeconds: Number.POSITIVE_INFINITY }
    const source = keys.secrets === undefined ? { jwksUrl: jwks.url } : { secrets: keys.secrets }
    const credentials = { clientId: 'a', clientSecret: 'b', onStale: 'closed' } as const
    const verifier = createVerifier({
      ...common,
      ...source,
      revocations: { url: feed.url, ...credentials },
    })
    t.teardown(() => verifier.close())
    const unaware = createVerifier({ ...common, ...source })
    for (const { name, code, token, claims, needs } of vectors) {
      const found = await verifier.verify(token)
      t.equal(found.error?.code, code, name)
      if (claims !== undefined) t.match(claims, { ...found.claims, profile: undefined })
      if (needs !== undefined)
        t.equal((await unaware.verify(token)).error, undefined, `${name}: needs the feed`)
    }
  })

  t.test(`jose alone agrees on ${file}, where it is told all rules`, async (t) => {
    const { algorithm, issuer, audience, keys, vectors } = read(file)
    const secrets = new Map(
      keys.secrets?.split(',').map((entry) => [entry.split(':')[0], entry.split(':')[1]]),
    )
    const local =
      keys.jwks &&
      createLocalJWKSet({ keys: keys.jwks.keys.map((key) => ({ ...key, kty: key['kty'] ?? '' })) })
    for (const { name, verdict, token, needs } of vectors) {
      if (verdict === 'refuse-if-strict' || needs !== undefined) continue
      const believed = await jwtVerify(
        token,
        async (header, input) => {
          if (header?.kid === undefined) throw new Error('no kid')
          return local ? local(header, input) : Buffer.from(secrets.get(header.kid) ?? '', 'base64url')
        },
        { issuer, audience, typ: 'at+jwt', algorithms: [algorithm], requiredClaims: ['exp', 'sub'] },
      ).then(
        ({ payload }) => payload['token_type'] === 'access',
        () => false,
      )
      t.equal(believed, verdict === 'accept', name)
    }
  })
}
