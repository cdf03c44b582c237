import { createSecretKey, hkdfSync } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import type { Test } from 'tap'
import t from 'tap'
import { audienceKeys } from '../../src/core/audience-keys.ts'
import { register, signedIn } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import type { Answer } from '../helpers/client.ts'
import { ENCODINGS, get, post, text } from '../helpers/client.ts'
import { newSecret } from '../helpers/keys.ts'
import { signerOf } from '../helpers/signers.ts'

const AUDIENCES = 'billing,https://reports.example.com'
const REPORTS = 'https://reports.example.com'

const accessFor = ({ body }: Answer) => body['access_for'] as Record<string, string>
const status = async ({ url }: TestApp, token: string) =>
  (await get(`${url}/check-auth-status`, token)).status

function keyOf({ config }: TestApp, audience: string) {
  const [key] = audienceKeys(config.serverSecrets, audience)
  if (key === undefined) throw new Error('no server secret')
  return { ...key, secret: createSecretKey(key.secret) }
}

async function asked(t: Test): Promise<{ service: TestApp; answer: Answer }> {
  const service = await startApp(t, { JWT_AUDIENCE_KEYS: AUDIENCES })
  const { username, password } = await register(service)
  const audience = `billing ${REPORTS}`
  return { service, answer: await post(`${service.url}/token`, { username, password, audience }) }
}

t.test('a client that asks gets one token more for each audience, and its own is what it was', async (t) => {
  const { service, answer } = await asked(t)
  t.equal(answer.status, 200)
  t.same(Object.keys(accessFor(answer)), ['billing', REPORTS])
  const own = decodeJwt(text(answer, 'access'))
  for (const [audience, token] of Object.entries(accessFor(answer))) {
    const { kid, secret } = keyOf(service, audience)
    const { payload } = await jwtVerify(token, secret, {
      issuer: 'http://keyturn.test',
      audience,
      typ: 'at+jwt',
      algorithms: ['HS256'],
    })
    t.same(decodeProtectedHeader(token), { alg: 'HS256', typ: 'at+jwt', kid })
    const { own: _, aud: __, jti, ...same } = own
    t.match(payload, same)
    t.notOk('own' in payload, 'it is nothing to Keyturn')
    t.not(payload.jti, jti)
    t.equal(payload.exp, own.exp, 'they live as long')
  }
  t.equal(await status(service, text(answer, 'access')), 200)
})

t.test('the key of one audience mints for no other, and its tokens open nothing here', async (t) => {
  const { service, answer } = await asked(t)
  const tokens = accessFor(answer)
  const billing = keyOf(service, 'billing').secret
  await t.rejects(jwtVerify(tokens[REPORTS] ?? '', billing), 'the key of another')
  const [shared] = service.config.jwtSecrets
  await t.rejects(
    jwtVerify(tokens[REPORTS] ?? '', createSecretKey(shared?.secret ?? Buffer.alloc(0))),
    'JWT_SECRETS',
  )
  for (const token of Object.values(tokens)) {
    t.equal(await status(service, token), 401)
    for (const path of ['/logout', '/logoutall']) {
      const refused = await post(service.url + path, {}, { headers: { authorization: `Bearer ${token}` } })
      t.match(refused, { status: 401, body: { code: 'invalid_token' } })
    }
  }
})

t.test('a refresh gives them too, also when its answer was lost, in each encoding', async (t) => {
  const { service, answer } = await asked(t)
  let refresh = text(answer, 'refresh')
  for (const encoding of ENCODINGS) {
    const once = await post(`${service.url}/refresh`, { refresh, audience: 'billing' }, { encoding })
    t.same(Object.keys(accessFor(once)), ['billing'])
    const again = await post(`${service.url}/refresh`, { refresh, audience: 'billing' }, { encoding })
    t.equal(again.headers.get('keyturn-refresh'), 'replayed')
    t.same(Object.keys(accessFor(again)), ['billing'])
    refresh = text(again, 'refresh')
  }
  const without = await post(`${service.url}/refresh`, { refresh })
  t.notOk('access_for' in without.body, 'who does not ask gets what everybody gets')
})

t.test('an audience that has no keys is refused before anything is done for it', async (t) => {
  const { service, answer } = await asked(t)
  const refresh = text(answer, 'refresh')
  for (const audience of [
    'other',
    'billing other',
    'keyturn',
    'billing billing',
    '__proto__',
    'constructor',
  ]) {
    const refused = await post(`${service.url}/refresh`, { refresh, audience })
    t.match(
      refused,
      { status: 400, body: { code: 'validation_failed', errors: { audience: [String] } } },
      audience,
    )
  }
  const next = await post(`${service.url}/refresh`, { refresh, audience: ' ' })
  t.equal(next.headers.get('keyturn-refresh'), 'rotated', 'it cost no rotation')
  const wrong = { username: 'nobody', password: 'a wrong guess', audience: 'other' }
  t.equal((await post(`${service.url}/token`, wrong)).status, 400)
})

t.test('without JWT_AUDIENCE_KEYS there is no such field', async (t) => {
  const service = await startApp(t)
  const { username, password } = await signedIn(service)
  const refused = await post(`${service.url}/token`, { username, password, audience: 'billing' })
  t.match(refused, { status: 400, body: { errors: { audience: [String] } } })
})

t.test('an audience keeps its shared key also where a private key signs', async (t) => {
  const { settings } = await signerOf(t, 'EdDSA')
  const service = await startApp(t, { ...settings, JWT_AUDIENCE_KEYS: 'billing' })
  const { username, password } = await register(service)
  const answer = await post(`${service.url}/token`, { username, password, audience: 'billing' })
  t.equal(decodeProtectedHeader(text(answer, 'access')).alg, 'EdDSA')
  t.ok(
    await jwtVerify(accessFor(answer)['billing'] ?? '', keyOf(service, 'billing').secret, {
      audience: 'billing',
    }),
  )
})

t.test('keys of audiences are HKDF-SHA-256 of each server secret, in their order', async (t) => {
  const secrets = [newSecret('s2'), newSecret('s1')].map((entry) => {
    const [kid = '', secret = ''] = entry.split(':')
    return { kid, secret: Buffer.from(secret, 'base64url') }
  })
  const [first, second] = audienceKeys(secrets, 'billing')
  t.match(first?.kid, /^s2\.[\w-]{8}$/)
  t.match(second?.kid, /^s1\.[\w-]{8}$/)
  const expected = hkdfSync('sha256', secrets[0]?.secret ?? '', '', 'keyturn/audience/v1/billing', 32)
  t.same(first?.secret, Buffer.from(expected))
  const all = ['billing', 'Billing', REPORTS].flatMap((audience) => audienceKeys(secrets, audience))
  t.equal(new Set(all.map(({ secret }) => secret.toString('hex'))).size, 6)
  t.equal(new Set(all.map(({ kid }) => kid)).size, 6)
})
