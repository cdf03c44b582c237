import { decodeJwt } from 'jose'
import t from 'tap'
import { register, signedIn, signIn } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import type { Answer, Encoding } from '../helpers/client.ts'
import { bearer, ENCODINGS, get, post } from '../helpers/client.ts'
import { gateTo } from '../helpers/gate.ts'
import { basic, WITH_SERVICE } from '../helpers/service-client.ts'

const grant = (
  service: TestApp,
  fields: Record<string, string>,
  headers = {},
  encoding: Encoding = 'urlencoded',
) => post(`${service.url}/token`, { grant_type: 'refresh_token', ...fields }, { headers, encoding })

const introspect = async ({ url }: TestApp, token: string, headers = basic()): Promise<Answer> =>
  post(`${url}/introspect`, { token }, { headers, encoding: 'urlencoded' })

const revoke = async ({ url }: TestApp, token: string, headers = basic()): Promise<Answer> =>
  post(`${url}/revoke`, { token }, { headers, encoding: 'urlencoded' })

function textOf({ body }: Answer, name: string): string {
  return String(body[name])
}

t.test('a refresh in the names of OAuth is the refresh of /refresh, in any encoding', async (t) => {
  const service = await startApp(t)
  let { refresh } = await signedIn(service)
  for (const encoding of ENCODINGS) {
    const answer = await grant(
      service,
      { refresh_token: refresh, client_id: 'app', unheard_of: 'x' },
      {},
      encoding,
    )
    t.equal(answer.status, 200, encoding)
    t.strictSame(Object.keys(answer.body).sort(), [
      'access_token',
      'expires_in',
      'refresh_expires_in',
      'refresh_token',
      'token_type',
    ])
    t.match(answer.headers.get('cache-control'), 'no-store')
    t.equal(answer.headers.get('keyturn-refresh'), 'rotated')
    refresh = textOf(answer, 'refresh_token')
  }
  const key = { 'idempotency-key': 'k'.repeat(20) }
  const first = await grant(service, { refresh_token: refresh }, key)
  const again = await grant(service, { refresh_token: refresh }, key)
  t.equal(textOf(again, 'refresh_token'), textOf(first, 'refresh_token'), 'a lost answer is given again')
  t.match(await post(`${service.url}/refresh`, { refresh: textOf(again, 'refresh_token') }), { status: 200 })
})

t.test(
  'a refused grant is an error of RFC 6749, and a refused sign-in at the same path a problem',
  async (t) => {
    const service = await startApp(t, WITH_SERVICE)
    const { access, refresh, username, password } = await signedIn(service)
    const cases: [
      status: number,
      error: string,
      fields: Record<string, string>,
      headers?: Record<string, string>,
    ][] = [
      [400, 'unsupported_grant_type', { grant_type: 'password', username, password }],
      [400, 'unsupported_grant_type', { grant_type: 'client_credentials' }],
      [400, 'unsupported_grant_type', { grant_type: '' }],
      [400, 'invalid_request', {}],
      [400, 'invalid_request', { refresh_token: '' }],
      [400, 'invalid_request', { refresh_token: 'x'.repeat(4097) }],
      [400, 'invalid_request', { refresh_token: refresh }, { 'idempotency-key': 'short' }],
      [400, 'invalid_scope', { refresh_token: refresh, scope: 'openid' }],
      [400, 'invalid_grant', { refresh_token: 'ktr_nothing' }],
      [400, 'invalid_grant', { refresh_token: access }],
      [401, 'invalid_client', { refresh_token: refresh, client_secret: 'x' }],
      [401, 'invalid_client', { refresh_token: refresh }, basic({ id: 'reports', secret: 'wrong' })],
    ]
    for (const [status, error, fields, headers] of cases) {
      const answer = await grant(service, fields, headers)
      t.match(answer, { status, body: { error } }, JSON.stringify(Object.keys(fields)))
      t.strictSame(Object.keys(answer.body), ['error', 'error_description'])
      t.match(textOf(answer, 'error_description'), /^[\x20-\x21\x23-\x5b\x5d-\x7e]{10,}$/)
      t.equal(answer.headers.get('cache-control'), 'no-store')
      t.match(answer.headers.get('www-authenticate'), status === 401 ? /^Basic / : null)
    }
    t.match(await grant(service, { refresh_token: refresh, scope: '' }, bearer(access)), { status: 200 })
    t.match(await post(`${service.url}/token`, { username, password: 'wrong' }), {
      body: { code: 'invalid_credentials' },
    })
    t.match(await post(`${service.url}/token`, { username, password, scope: 'x' }), {
      status: 400,
      body: { code: 'validation_failed', errors: { scope: [/not known/] } },
    })
    t.match(await post(`${service.url}/token`, { username }), {
      body: { errors: { password: ['This field is required.'] } },
    })
  },
)

t.test(
  'only invalid_grant means that the session is over: an overtaken or unanswerable grant is another error',
  async (t) => {
    const service = await startApp(t)
    const { refresh } = await signedIn(service)
    let newest = refresh
    for (let round = 0; round < 4; round += 1)
      newest = textOf(await grant(service, { refresh_token: newest }), 'refresh_token')
    const overtaken = await grant(service, { refresh_token: refresh })
    t.match(overtaken, { status: 409, body: { error: 'temporarily_unavailable' } })
    const gate = await gateTo(t, service.databaseUrl)
    const behind = await startApp(t, {}, { beside: { ...service, databaseUrl: gate.url } })
    gate.shut()
    const unavailable = await grant(behind, { refresh_token: newest })
    t.match(unavailable, { status: 503, body: { error: 'temporarily_unavailable' } })
    t.match(unavailable.headers.get('retry-after'), /^\d+$/)
    t.equal((await grant(service, { refresh_token: newest })).status, 200)
  },
)

t.test('grants do not use up the sixty sign-ins of their address, and sign-ins still do', async (t) => {
  const service = await startApp(t, { RATE_LIMIT: 'on' })
  const { refresh } = await signedIn(service)
  const answers = await Promise.all(
    Array.from({ length: 70 }, () => grant(service, { refresh_token: 'ktr_x' })),
  )
  t.ok(answers.every(({ body }) => body['error'] === 'invalid_grant'))
  t.equal((await grant(service, { refresh_token: refresh })).status, 200)
  const tries = await Promise.all(
    Array.from({ length: 62 }, () => post(`${service.url}/token`, { username: 'nobody', password: 'x' })),
  )
  t.ok(tries.some(({ status }) => status === 429))
})

t.test('introspection tells of a living token whose it is, and of any other nothing at all', async (t) => {
  const service = await startApp(t, WITH_SERVICE)
  const person = await register(service)
  const { access, refresh } = await signIn(service, person)
  const claims = decodeJwt(access)
  const found = await introspect(service, access)
  t.strictSame(found.body, {
    active: true,
    token_type: 'Bearer',
    iss: claims.iss,
    aud: claims.aud,
    sub: claims.sub,
    username: person.username,
    iat: claims.iat,
    exp: claims.exp,
    jti: claims.jti,
    sid: claims['sid'],
    roles: [],
  })
  t.equal(found.headers.get('cache-control'), 'no-store')
  const { body } = await introspect(service, refresh)
  t.strictSame(Object.keys(body).sort(), ['active', 'exp', 'iss', 'sid', 'sub'])
  t.match(body, { active: true, sub: claims.sub, sid: claims['sid'] })
  t.ok(Math.abs(Number(body['exp']) - Date.now() / 1000 - 30 * 86_400) < 60, 'when it ends if it is not used')

  const dead = [
    'x',
    'ktr_x',
    `${access}x`,
    access.replace(/\.[^.]*$/, '.AAAA'),
    `${refresh.slice(0, -1)}${refresh.endsWith('A') ? 'B' : 'A'}`,
  ]
  for (const token of dead)
    t.strictSame((await introspect(service, token)).body, { active: false }, token.slice(0, 8))
})

t.test(
  'a token is not active once its session has ended, wherever it ended, or its account is disabled',
  async (t) => {
    const service = await startApp(t, WITH_SERVICE)
    const person = await register(service)
    const { pool } = service.app.database
    const ends = [
      'UPDATE sessions SET revoked_at = now()',
      "UPDATE sessions SET expires_at = now() - interval '1 second'",
      "UPDATE sessions SET rotated_at = now() - interval '31 days'",
      'UPDATE users SET disabled_at = now()',
    ]
    for (const end of ends) {
      const { access, refresh } = await signIn(service, person)
      t.match((await introspect(service, access)).body, { active: true })
      await pool.query(end)
      t.strictSame(
        (await introspect(service, access)).body,
        { active: false },
        `${end}: at once, from the database`,
      )
      t.strictSame((await introspect(service, refresh)).body, { active: false }, end)
    }
  },
)

t.test('asking about a refresh token that was used is no theft, and ends nothing', async (t) => {
  const service = await startApp(t, { ...WITH_SERVICE, REFRESH_GRACE: '0s' })
  const { refresh } = await signedIn(service)
  const next = textOf(await grant(service, { refresh_token: refresh }), 'refresh_token')
  const last = textOf(await grant(service, { refresh_token: next }), 'refresh_token')
  for (const token of [refresh, next])
    t.strictSame((await introspect(service, token)).body, { active: false })
  t.match((await introspect(service, last)).body, { active: true })
  t.equal((await grant(service, { refresh_token: last })).status, 200)
  const { rows } = await service.app.database.pool.query("SELECT FROM events WHERE kind = 'refresh_theft'")
  t.equal(rows.length, 0)
})

t.test('revocation ends the session by either token, and answers 200 to anything', async (t) => {
  const service = await startApp(t, WITH_SERVICE)
  const person = await register(service)
  for (const which of ['access', 'refresh'] as const) {
    const tokens = await signIn(service, person)
    t.match(await revoke(service, tokens[which]), { status: 200, body: {} }, which)
    t.equal((await get(`${service.url}/check-auth-status`, tokens.access)).status, 401)
    t.match(await grant(service, { refresh_token: tokens.refresh }), { body: { error: 'invalid_grant' } })
    t.equal((await revoke(service, tokens[which])).status, 200, 'once more')
  }
  for (const token of ['x', 'ktr_x', 'a.b.c']) t.equal((await revoke(service, token)).status, 200, token)
  const { rows } = await service.app.database.pool.query("SELECT reason FROM events WHERE kind = 'logout'")
  t.strictSame(rows, [{ reason: 'service' }, { reason: 'service' }], 'the record tells that a service did it')
})

t.test('both ask for the credentials of a service, and refuse as OAuth does', async (t) => {
  const service = await startApp(t, WITH_SERVICE)
  const { access } = await signedIn(service)
  for (const path of ['introspect', 'revoke']) {
    for (const headers of [{}, bearer(access), basic({ id: 'reports', secret: 'wrong' })]) {
      const refused = await post(`${service.url}/${path}`, { token: access }, { headers })
      t.match(refused, { status: 401, body: { error: 'invalid_client' } })
      t.match(refused.headers.get('www-authenticate'), /^Basic realm=/)
    }
    t.match(await post(`${service.url}/${path}`, {}, { headers: basic() }), {
      status: 400,
      body: { error: 'invalid_request', error_description: 'token: This field is required.' },
    })
    t.equal((await fetch(`${service.url}/${path}`)).status, 405)
    const hinted = { token: access, token_type_hint: 'no such type', more: 'x' }
    t.equal((await post(`${service.url}/introspect`, hinted, { headers: basic() })).status, 200)
  }
  t.equal((await get(`${service.url}/check-auth-status`, access)).status, 200)
})

t.test('the metadata tells what is so, and nothing else', async (t) => {
  const plain = await startApp(t)
  const read = async ({ url }: TestApp, path = '') =>
    (await get(`${url}/.well-known/oauth-authorization-server${path}`)).body
  t.strictSame(await read(plain), {
    issuer: 'http://keyturn.test',
    token_endpoint: 'http://keyturn.test/token',
    token_endpoint_auth_methods_supported: ['none'],
    grant_types_supported: ['refresh_token'],
    response_types_supported: [],
    service_documentation: 'http://keyturn.test/docs',
  })
  const full = await startApp(t, {
    ...WITH_SERVICE,
    PUBLIC_URL: 'http://keyturn.test/auth',
    DIALECTS: 'canonical=/v1',
  })
  const told = await read(full)
  t.match(told, {
    issuer: 'http://keyturn.test/auth',
    token_endpoint: 'http://keyturn.test/auth/v1/token',
    token_endpoint_auth_methods_supported: ['none', 'client_secret_basic'],
    introspection_endpoint: 'http://keyturn.test/auth/introspect',
    revocation_endpoint: 'http://keyturn.test/auth/revoke',
  })
  t.notOk('jwks_uri' in told, 'a shared key is shown to nobody')
  t.strictSame(await read(full, '/auth'), told, 'where RFC 8414 has it for an issuer with a path')
  t.equal((await introspect(full, 'x')).status, 200, 'at the root, whatever the prefix')
  t.match(await post(`${full.url}/v1/token`, { grant_type: 'refresh_token', refresh_token: 'x' }), {
    body: { error: 'invalid_grant' },
  })
  const cookie = await startApp(t, { REFRESH_COOKIE: 'on' })
  t.strictSame((await read(cookie))['grant_types_supported'], [])
  t.match(await grant(cookie, { refresh_token: 'x' }), { body: { error: 'unsupported_grant_type' } })
  const named = await startApp(t, { JWT_ISSUER: 'keyturn' })
  t.equal((await get(`${named.url}/.well-known/oauth-authorization-server`)).status, 404)
})

t.test('the OpenAPI document names every endpoint for services, with its way in', async (t) => {
  const service = await startApp(t)
  const { paths, components } = (await get(`${service.url}/openapi.json`)).body as {
    paths: Record<string, Record<string, { security?: object[] }>>
    components: { securitySchemes: Record<string, object> }
  }
  t.match(components.securitySchemes, { service: { type: 'http', scheme: 'basic' } })
  for (const [path, method] of [
    ['/introspect', 'post'],
    ['/revoke', 'post'],
    ['/revocations', 'get'],
  ] as const)
    t.strictSame(paths[path]?.[method]?.security, [{ service: [] }], path)
  t.ok(paths['/.well-known/oauth-authorization-server'])
})
