import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import { inspect } from 'node:util'
import t from 'tap'
import { readPrivateKeys } from '../../src/config/private-keys.ts'
import type { Fault } from '../../src/config.ts'
import { ConfigError, readConfig, readKeyRings } from '../../src/config.ts'
import { directory, keySet, newPrivateJwk, newSecret, replaceFile } from '../helpers/keys.ts'

type Jwk = Record<string, unknown>

function faults(read: () => unknown): readonly Fault[] {
  try {
    read()
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

/** What is said of a file that holds this. */
function told(text: string): string {
  const read = readPrivateKeys(text)
  return 'problem' in read ? read.problem : 'accepted'
}

const [ed, es, rs] = [
  newPrivateJwk('EdDSA', 'ed1'),
  newPrivateJwk('ES256', 'es1'),
  newPrivateJwk('RS256', 'rs1'),
]
const jwkOf = (kid: string, pair: { privateKey: { export(as: { format: 'jwk' }): object } }): Jwk => ({
  ...pair.privateKey.export({ format: 'jwk' }),
  kid,
})

t.test('keys of each algorithm are read, in their order, and none can be printed', async (t) => {
  const file = join(await directory(t), 'keys.json')
  await replaceFile(file, keySet(ed, es, rs))
  const config = readConfig({ JWT_ALGORITHM: 'ES256', JWT_PRIVATE_KEYS_FILE: file })
  t.match(config.jwtPrivateKeys, [
    { kid: 'ed1', algorithm: 'EdDSA' },
    { kid: 'es1', algorithm: 'ES256' },
    { kid: 'rs1', algorithm: 'RS256' },
  ])
  const printed = JSON.stringify(config) + inspect(config, { depth: 9, showHidden: true })
  for (const { d } of [ed, es, rs]) t.notOk(printed.includes(String(d)))
})

t.test('a key that is weak, public, misplaced or known is refused, and none is printed', async (t) => {
  const { d: _, ...open } = ed
  const { kid: __, ...nameless } = ed
  const wrong: [RegExp, string][] = [
    [/is no JSON/, 'rubbish'],
    [/is no JSON/, ''],
    [/without a list "keys"/, '[]'],
    [/without a list "keys"/, JSON.stringify(ed)],
    [/holds no key/, keySet()],
    [
      /PEM file.*no place for a kid/,
      generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    ],
    [/key 1 has no kid/, keySet(nameless)],
    [/key 1 has a kid that/, keySet({ ...ed, kid: 'a b' })],
    [/key 2 has a kid that/, keySet(es, { ...ed, kid: 7 })],
    [/key 1 is a public key/, keySet(open)],
    [/key 1 is symmetric/, keySet({ kty: 'oct', k: 'x'.repeat(43), kid: 'a' })],
    [/key 1 has a kty/, keySet({ ...ed, kty: 'XYZ' })],
    [/not on the curve Ed25519/, keySet(jwkOf('a', generateKeyPairSync('ed448')))],
    [/not on the curve Ed25519/, keySet(jwkOf('a', generateKeyPairSync('x25519')))],
    [/not on the curve P-256/, keySet(jwkOf('a', generateKeyPairSync('ec', { namedCurve: 'P-384' })))],
    [/not on the curve P-256/, keySet(jwkOf('a', generateKeyPairSync('ec', { namedCurve: 'secp256k1' })))],
    [/has 1024 bits/, keySet(jwkOf('a', generateKeyPairSync('rsa', { modulusLength: 1024 })))],
    [
      /exponent below/,
      keySet(jwkOf('a', generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }))),
    ],
    [/says another alg/, keySet({ ...ed, alg: 'ES256' })],
    [/says another alg/, keySet({ ...rs, alg: 'PS256' })],
    [/not for signing/, keySet({ ...ed, use: 'enc' })],
    [/do not belong together/, keySet({ ...ed, x: newPrivateJwk('EdDSA', 'b')['x'] })],
    [/cannot be read|do not belong/, keySet({ ...es, x: newPrivateJwk('ES256', 'b')['x'] })],
    [/cannot be read as a key/, keySet({ ...ed, d: 'short' })],
    [/same kid/, keySet(ed, { ...es, kid: 'ed1' })],
    [/keys? 1 and 2 have the same key|entries 1 and 2 have the same key/, keySet(ed, { ...ed, kid: 'ed2' })],
    [
      /example key/,
      keySet({
        kty: 'OKP',
        crv: 'Ed25519',
        kid: 'a',
        d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
        x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
      }),
    ],
  ]
  for (const [problem, text] of wrong) {
    t.match(told(text), problem, String(problem))
    for (const { d } of [ed, es, rs]) t.notOk(told(text).includes(String(d).slice(0, 12)))
  }
})

t.test('the path is never printed, for it may be the key itself', async (t) => {
  const [fault] = faults(() => readConfig({ JWT_PRIVATE_KEYS_FILE: JSON.stringify(ed) }))
  t.match(fault, { setting: 'JWT_PRIVATE_KEYS_FILE', problem: /cannot be read \(E/ })
  t.notOk(JSON.stringify(fault).includes(String(ed['d'])))
})

t.test('JWT_ALGORITHM wants a key of its own, and production no shared secret beside it', async (t) => {
  const file = join(await directory(t), 'keys.json')
  await replaceFile(file, keySet(es))
  t.match(
    faults(() => readConfig({ JWT_ALGORITHM: 'EdDSA' })),
    [
      {
        setting: 'JWT_PRIVATE_KEYS_FILE',
        problem: 'has no key for JWT_ALGORITHM=EdDSA',
        remedy: /keyturn keys/,
      },
    ],
  )
  t.match(
    faults(() => readConfig({ JWT_ALGORITHM: 'EdDSA', JWT_PRIVATE_KEYS_FILE: file })),
    [{ setting: 'JWT_PRIVATE_KEYS_FILE', problem: /no key for JWT_ALGORITHM=EdDSA/ }],
  )
  const production = {
    NODE_ENV: 'production',
    PUBLIC_URL: 'https://auth.example.com',
    DATABASE_URL: 'postgres://keyturn:pw@db/keyturn',
    SMTP_URL: 'smtps://keyturn:pw@mail.example.com:465',
    SERVER_SECRETS: newSecret('s1'),
    JWT_PRIVATE_KEYS_FILE: file,
  }
  t.same(
    faults(() => readConfig(production)).map(({ setting }) => setting),
    ['JWT_SECRETS'],
  )
  t.equal(readConfig({ ...production, JWT_ALGORITHM: 'ES256' }).jwtSecrets, undefined)
  t.match(
    faults(() => readConfig({ ...production, JWT_ALGORITHM: 'none' })),
    [{ setting: 'JWT_ALGORITHM', problem: /none of the words/ }],
  )
})

t.test('a kid names one key, of whatever kind', async (t) => {
  const file = join(await directory(t), 'keys.json')
  await replaceFile(file, keySet({ ...ed, kid: 'k1' }))
  const env = { JWT_PRIVATE_KEYS_FILE: file, JWT_SECRETS: newSecret('k1') }
  t.match(
    faults(() => readConfig(env)),
    [{ setting: 'JWT_PRIVATE_KEYS_FILE', problem: /kid that is in JWT_SECRETS/ }],
  )
})

t.test('JWT_AUDIENCE_KEYS takes audiences, each once, and not ours', async (t) => {
  const read = (JWT_AUDIENCE_KEYS: string) => faults(() => readConfig({ JWT_AUDIENCE_KEYS }))
  t.same(readConfig({ JWT_AUDIENCE_KEYS: 'billing, https://a.example' }).jwtAudienceKeys, [
    'billing',
    'https://a.example',
  ])
  for (const [value, problem] of [
    ['billing,billing', /twice/],
    ['keyturn', /names JWT_AUDIENCE/],
    ['two words', /not one plain name/],
    ['a,', /entry 2 is empty/],
  ] as const) {
    t.match(read(value), [{ setting: 'JWT_AUDIENCE_KEYS', problem }], value)
  }
})

t.test('rings are read again without a word of other settings', async (t) => {
  const file = join(await directory(t), 'jwt')
  const secret = newSecret('k1')
  await replaceFile(file, secret)
  const env = { JWT_SECRETS_FILE: file, SERVER_SECRETS: newSecret('s1'), PORT: 'x', ACCESS_TTL: '9' }
  t.match(readKeyRings(env), { jwtSecrets: [{ kid: 'k1' }], serverSecrets: [{ kid: 's1' }] })
  await replaceFile(file, 'rubbish')
  t.same(
    faults(() => readKeyRings(env)).map(({ setting }) => setting),
    ['JWT_SECRETS'],
  )
})
