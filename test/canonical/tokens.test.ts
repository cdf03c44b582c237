import { createSecretKey } from 'node:crypto'
import { decodeJwt, jwtVerify, SignJWT } from 'jose'
import t from 'tap'
import { signedIn } from '../helpers/accounts.ts'
import { startApp } from '../helpers/app.ts'
import { bearer, get, post } from '../helpers/client.ts'
import { watchRequests } from '../helpers/statements.ts'

const AUTHENTICATED = [
  ['GET', '/check-auth-status'],
  ['GET', '/user'],
  ['POST', '/logout'],
  ['POST', '/logoutall'],
] as const

t.test(
  'a service that holds only the shared secret verifies, and what it mints itself opens nothing here',
  async (t) => {
    const service = await startApp(t)
    const { access } = await signedIn(service)
    const [shared] = service.config.jwtSecrets
    if (shared === undefined) throw new Error('no shared secret')
    const key = createSecretKey(shared.secret)
    const { payload, protectedHeader } = await jwtVerify(access, key, {
      issuer: 'http://keyturn.test',
      audience: 'keyturn',
      typ: 'at+jwt',
      algorithms: ['HS256'],
    })
    t.match(payload, { sub: /^\d+$/, token_type: 'access', roles: [], user_id: Number, sid: String, gen: 0 })
    t.match(protectedHeader, { kid: 'jwt1', typ: 'at+jwt', alg: 'HS256' })

    const mint = (claims: object) =>
      new SignJWT({ ...claims }).setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: 'jwt1' }).sign(key)
    const { own, ...others } = payload
    const forgeries = {
      'a copy without own': await mint(others),
      'an own of its own': await mint({ ...others, own: 'A'.repeat(22) }),
      'roles added under the old own': await mint({ ...others, roles: ['admin'], own }),
      'another user under the old own': await mint({ ...others, sub: '2', user_id: 2, own }),
      'a longer life under the old own': await mint({ ...others, exp: Number(payload.exp) + 60, own }),
      'a claim more': await mint({ ...others, scope: 'all', own }),
      'a name twice': await mint({ ...others, own }).then((token) =>
        token
          .split('.')
          .with(
            1,
            Buffer.from(JSON.stringify(payload).replace('{', '{"roles":["admin"],')).toString('base64url'),
          )
          .join('.'),
      ),
    }
    for (const [what, forged] of Object.entries(forgeries)) {
      for (const [method, path] of AUTHENTICATED) {
        const response = await fetch(service.url + path, { method, headers: bearer(forged) })
        t.equal(response.status, 401, `${method} ${path}: ${what}`)
        t.match(await response.json(), { code: 'invalid_token' })
      }
    }
    t.equal((await get(`${service.url}/check-auth-status`, access)).status, 200)
    t.equal(
      (await get(`${service.url}/check-auth-status`, await mint({ ...others, own }))).status,
      200,
      'the very same claims are the same token',
    )
  },
)

t.test('a forged, broken or foreign token is one constant 401', async (t) => {
  const service = await startApp(t)
  const { access, refresh } = await signedIn(service)
  const [header = '', payload = '', signature = ''] = access.split('.')
  const [shared] = service.config.jwtSecrets
  const key = createSecretKey(shared?.secret ?? Buffer.alloc(0))
  const encode = (value: unknown) =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
  const signed = async (head: string, body: string) => {
    const { createHmac } = await import('node:crypto')
    return `${head}.${body}.${createHmac('sha256', key).update(`${head}.${body}`).digest('base64url')}`
  }
  const claims = decodeJwt(access)
  const headers = [
    { alg: 'none', typ: 'at+jwt', kid: 'jwt1' },
    { alg: 'HS512', typ: 'at+jwt', kid: 'jwt1' },
    { typ: 'at+jwt', kid: 'jwt1' },
    { alg: ['HS256'], typ: 'at+jwt', kid: 'jwt1' },
    { alg: 'HS256', typ: 'JWT', kid: 'jwt1' },
    { alg: 'HS256', kid: 'jwt1' },
    { alg: 'HS256', typ: 'at+jwt', kid: 'unknown' },
    { alg: 'HS256', typ: 'at+jwt', kid: '__proto__' },
    { alg: 'HS256', typ: 'at+jwt', kid: '../../dev/null' },
    { alg: 'HS256', typ: 'at+jwt', kid: 'jwt1', crit: null },
    { alg: 'HS256', typ: 'at+jwt', kid: 'jwt1', crit: ['exp'] },
    { alg: 'HS256', typ: 'at+jwt', kid: 'jwt1', b64: false },
    '{"alg":"none","alg":"HS256","typ":"at+jwt","kid":"jwt1"}',
  ]
  const payloads = [
    { ...claims, exp: undefined },
    { ...claims, exp: '1795' },
    { ...claims, exp: 1 },
    { ...claims, nbf: Number(claims.exp) },
    { ...claims, iat: 'x' },
    { ...claims, iss: ['evil', claims.iss] },
    { ...claims, aud: 'other' },
    'null',
    '[]',
    'not json',
  ]
  const tokens = [
    ...(await Promise.all(headers.map((each) => signed(encode(each), payload)))),
    ...(await Promise.all(payloads.map((each) => signed(header, encode(each))))),
    `${header}.${payload}.`,
    `${header}.${payload}`,
    `${access}.${signature}`,
    ...['=', '+', '/', '%20'].map((extra) => access + extra),
    ...Array.from({ length: 43 }, (_, index) => {
      const flipped = signature[index] === 'A' ? 'B' : 'A'
      return `${header}.${payload}.${signature.slice(0, index)}${flipped}${signature.slice(index + 1)}`
    }).slice(0, 42),
    signature.slice(4),
    '...',
    'a.b.c.d.e',
    refresh,
    'x'.repeat(5000),
  ]
  const bodies = new Set<string>()
  for (const token of tokens) {
    const answer = await get(`${service.url}/check-auth-status`, token)
    t.equal(answer.status, 401, token.slice(0, 60))
    t.equal(answer.headers.get('www-authenticate'), 'Bearer realm="keyturn", error="invalid_token"')
    bodies.add(JSON.stringify({ ...answer.body, request_id: '' }))
  }
  t.equal(bodies.size, 1, 'all of them to the byte')
})

t.test('the header has one form', async (t) => {
  const service = await startApp(t)
  const { access } = await signedIn(service)
  const status = async (authorization: string) =>
    (await fetch(`${service.url}/check-auth-status`, { headers: { authorization } })).status
  t.equal(await status(`bearer ${access}`), 200)
  t.equal(await status(`BEARER ${access}`), 200)
  for (const bad of [
    `Bearer  ${access}`,
    `Bearer\t${access}`,
    `Bearer ${access} y`,
    'Bearer',
    `Bearer ${access},b`,
  ]) {
    t.equal(await status(bad), 401)
  }
  t.match(await get(`${service.url}/check-auth-status?access_token=${access}`), {
    status: 401,
    body: { code: 'token_missing' },
  })
})

t.test('a token lives for its life and no longer, also when it is remembered', async (t) => {
  let skew = 0
  const world = { now: () => Date.now() + skew, random: () => 0 }
  const service = await startApp(t, { ACCESS_TTL: '60s' }, { world })
  const { access } = await signedIn(service)
  for (const time of ['seen', 'kept', 'remembered'])
    t.match((await get(`${service.url}/check-auth-status`, access)).body, { expires_in: Number }, time)
  skew = 61_000
  t.equal((await get(`${service.url}/check-auth-status`, access)).status, 401)
})

t.test('lives are up to 5 % shorter, at random, so that clients do not all return at once', async (t) => {
  const service = await startApp(t, {}, { world: { now: Date.now, random: () => 0.999 } })
  const { access } = await signedIn(service)
  const { exp = 0, iat = 0 } = decodeJwt(access)
  t.equal(exp - iat, Math.floor(900 * (1 - 0.999 * 0.05)))
})

t.test('a status check asks nothing of the database', async (t) => {
  const service = await startApp(t)
  const { access } = await signedIn(service)
  await get(`${service.url}/check-auth-status`, access)
  const statements = watchRequests(service.app.database.pool)
  for (let round = 0; round < 20; round += 1) await get(`${service.url}/check-auth-status`, access)
  t.same(statements.asked(), [])
  t.equal((await post(`${service.url}/logout`, {}, { headers: bearer(access) })).status, 200)
})
