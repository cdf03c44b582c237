import { connect } from 'node:net'
import t from 'tap'
import { buildApp } from '../../src/app.ts'
import { resetToken, signedIn, somebody, tokensOf } from '../helpers/accounts.ts'
import { startApp, testConfig } from '../helpers/app.ts'
import { bearer, get, post, untilReady } from '../helpers/client.ts'
import { gateTo } from '../helpers/gate.ts'
import { startLogging } from '../helpers/logging-replica.ts'
import { createTestDatabase } from '../helpers/postgres.ts'

/** Group N of abuse-cases.md, as far as no other test holds it: see README.md here. */

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/

t.test(
  'N4, N5: nothing that a request brings becomes a line of the log, nor the id of the request',
  async (t) => {
    const { url: databaseUrl } = await createTestDatabase(t)
    const { url, end } = await startLogging(t, databaseUrl)

    const hostile = [
      'evil\n{"level":60,"msg":"evil"}',
      '\u001b[31mevil',
      'evil%s%d%j',
      `evil${'x'.repeat(7000)}`,
    ]
    for (const text of hostile) {
      await post(`${url}/token`, { username: text, password: text })
      await post(`${url}/register`, { ...somebody(), first_name: text, city: text })
      await post(`${url}/nowhere/${encodeURIComponent(text.slice(0, 40))}?q=evil`, {})
      const header = text.replace(/[^\x20-\x7e]/g, '').slice(0, 4000)
      await post(
        `${url}/token`,
        { username: 'x', password: 'x' },
        { headers: { 'user-agent': header, referer: header } },
      )
    }
    const foreign = ['evil', '../evil', 'evil'.repeat(1500), '00000000-0000-0000-0000-000000000000']
    for (const id of foreign) {
      const { headers, body } = await post(
        `${url}/token`,
        {},
        { headers: { 'x-request-id': id, 'request-id': id } },
      )
      t.match(headers.get('x-request-id'), UUID)
      t.not(headers.get('x-request-id'), id)
      t.equal(headers.get('x-request-id'), body['request_id'])
    }
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.end(
      'GET /nowhere HTTP/1.1\r\nHost: a\r\nX-Request-Id: evil\r\nX-Request-Id: evil\r\nConnection: close\r\n\r\n',
    )
    let twice = ''
    for await (const chunk of socket.setEncoding('utf8')) twice += chunk
    t.match(twice, /x-request-id: [\da-f]{8}-/)
    t.notMatch(twice, /evil/)

    const logged = await end()
    const lines = logged.trim().split('\n')
    t.ok(lines.length >= 4 * hostile.length, `${lines.length} lines`)
    for (const line of lines) {
      t.match(JSON.parse(line), { level: /^[34]0$/ }, 'each is one object, and of our own level')
      t.ok(line.length < 500)
    }
    const [proxyId] = foreign.slice(-1)
    t.ok(
      logged.includes(`"client_request_id":"${proxyId}"`),
      'an id such as proxies make has a field of its own',
    )
    const others = logged.replaceAll(`"client_request_id":"${proxyId}"`, '')
    for (const brought of ['evil', '\u001b', '0000-0000']) t.notOk(others.includes(brought), brought)
  },
)

t.test('N6: what throws in a handler, a hook or a serializer is one constant answer', async (t) => {
  const { url: databaseUrl } = await createTestDatabase(t)
  const app = await buildApp(testConfig(databaseUrl))
  t.teardown(() => app.close())
  const boom = () => {
    throw new Error('hunter2 at /etc/secret')
  }
  const json = { type: 'object', required: ['a'], properties: { a: { type: 'integer' } } }
  app.get('/in-handler', boom)
  app.get('/in-handler-later', () => Promise.reject(new Error('hunter2 later')))
  app.get('/of-no-error', () => Promise.reject('hunter2'))
  app.get('/with-a-status', () =>
    Promise.reject(Object.assign(new Error('hunter2'), { statusCode: 503, code: 'HUNTER2' })),
  )
  // Once a request: behind a refusal that throws too there is only what Fastify says itself.
  const hit = new WeakSet<object>()
  const boomOnce = async (request: object) => {
    if (hit.has(request)) return
    hit.add(request)
    boom()
  }
  const hooks = [
    'onRequest',
    'preParsing',
    'preValidation',
    'preHandler',
    'preSerialization',
    'onSend',
  ] as const
  for (const hook of hooks) app.get(`/in-${hook}`, { [hook]: boomOnce }, async () => ({ a: 1 }))
  app.get('/in-serializer', { schema: { response: { 200: json } } }, async () => ({ a: { toJSON: boom } }))
  app.get('/in-serializer-missing', { schema: { response: { 200: json } } }, async () => ({ b: 'hunter2' }))
  const url = await app.listen({ host: '127.0.0.1', port: 0 })

  const ways = ['handler', 'handler-later', 'serializer', 'serializer-missing', ...hooks]
  const paths = ['/of-no-error', '/with-a-status', ...ways.map((way) => `/in-${way}`)]
  const bodies = new Set<string>()
  for (const path of paths) {
    const answer = await get(url + path)
    t.match(answer, { status: 500, body: { code: 'internal_error' } }, path)
    t.match(answer.headers.get('content-type'), 'application/problem+json')
    bodies.add(JSON.stringify({ ...answer.body, request_id: '' }))
  }
  t.equal(bodies.size, 1)
  t.notMatch([...bodies][0], /hunter|secret|at \//i)
  t.equal((await get(`${url}/health/live`)).status, 200)
})

t.test(
  'N9: without a database the process lives, is not ready, and still knows whose a token is',
  async (t) => {
    const { url: databaseUrl } = await createTestDatabase(t)
    const gate = await gateTo(t, databaseUrl)
    const app = await buildApp(testConfig(gate.url, { EMAIL_VERIFICATION: 'off' }))
    t.teardown(() => app.close())
    const url = await app.listen({ host: '127.0.0.1', port: 0 })
    const { access } = tokensOf(await post(`${url}/register`, { ...somebody() }))
    gate.shut()
    for (let round = 0; round < 3; round += 1) {
      const ready = await get(`${url}/health/ready`)
      t.match(ready, { status: 503, body: { status: 'no database' } })
      t.match(ready.headers.get('retry-after'), /^\d+$/)
      t.equal((await get(`${url}/health/live`)).status, 200)
      t.equal((await get(`${url}/check-auth-status`, access)).status, 200)
    }
    gate.open()
    await untilReady(url)
  },
)

t.test('N12: each deed of an account is one event that says who, when, where and why', async (t) => {
  const service = await startApp(t, { REFRESH_GRACE: '0s', RATE_LIMIT: 'on' })
  const { url } = service
  const { pool } = service.app.database
  const person = await signedIn(service)
  const { username } = person
  const as = bearer(person.access)
  const fresh = 'an entirely new pass phrase'
  await post(`${url}/token`, { username, password: 'a wrong guess' })
  const next = tokensOf(await post(`${url}/refresh`, { refresh: person.refresh }))
  await get(`${url}/check-auth-status`, next.access)
  await post(
    `${url}/change-password`,
    { current_password: person.password, new_password: fresh },
    { headers: as },
  )
  const again = tokensOf(await post(`${url}/token`, { username, password: fresh }))
  await post(`${url}/logout`, { refresh: again.refresh })
  await pool.query(
    `UPDATE sessions SET rotated_at = rotated_at - interval '1 minute', seen_generation = generation`,
  )
  const theft = await post(`${url}/refresh`, { refresh: person.refresh })
  t.match(theft, { status: 401 })
  await post(`${url}/token`, { username, password: fresh })
  const token = await resetToken(service, person.email)
  await post(`${url}/reset`, { token, password: 'one more pass phrase' })
  const guesses: number[] = []
  for (let guess = 0; guess < 11; guess += 1)
    guesses.push((await post(`${url}/token`, { username, password: 'a wrong guess' })).status)
  t.same(guesses, [...Array(10).fill(401), 429], 'the lock')

  const counts = {
    registered: 1,
    email_verified: 1,
    login: 3,
    login_failed: 12,
    password_changed: 1,
    logout: 1,
    refresh_theft: 1,
    reset_requested: 1,
    password_reset: 1,
  }
  const { rows } = await pool.query<Record<string, unknown>>(
    `SELECT e.*, e.user_id = (SELECT id FROM users WHERE username = $1) AS is_theirs FROM events e ORDER BY at, id`,
    [username],
  )
  for (const [kind, count] of Object.entries(counts)) {
    const found = rows.filter((row) => row['kind'] === kind)
    t.equal(found.length, count, kind)
    for (const row of found) {
      t.equal(row['is_theirs'], true, `${kind}: who`)
      t.ok(row['created_at'] ?? row['at'], `${kind}: when`)
      t.match(String(row['ip']), /127\.0\.0\.1/, `${kind}: where`)
      t.equal(row['user_agent'], 'node', `${kind}: by what`)
    }
  }
  const reasons = rows.flatMap(({ kind, reason }) => (kind === 'login_failed' ? [reason] : []))
  t.same(reasons, [...Array(11).fill('invalid_credentials'), 'rate_limited'], 'and why, by a code')
  t.notMatch(JSON.stringify(rows), /pass phrase|wrong guess|ktr_|eyJ/)
})
