import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { EVENTS } from '../../src/core/events.ts'
import { letterToken, register, resetToken, signIn, somebody } from '../helpers/accounts.ts'
import { bearer, get, post, send, text } from '../helpers/client.ts'
import { readExposition, startObserved } from '../helpers/observed.ts'
import { until } from '../helpers/until.ts'

const service = await startObserved(t, { RATE_LIMIT: 'on', DIALECTS: 'canonical=/,simplejwt=/sj' })

t.test('metrics have a port of their own, and the public one has none', async (t) => {
  const answer = await fetch(service.metricsUrl)
  t.equal(answer.status, 200)
  t.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  const { families } = readExposition(await answer.text())
  t.ok(families.size > 20, `${families.size} metrics`)
  t.equal((await fetch(service.metricsUrl, { method: 'HEAD' })).status, 200)
  t.equal((await fetch(service.metricsUrl, { method: 'POST' })).status, 405)
  t.equal((await fetch(new URL('/token', service.metricsUrl))).status, 404, 'nothing else is there')
  t.equal((await get(`${service.url}/metrics`)).status, 404)
})

t.test('each request has exactly one line, of its route and nothing that it brought', async (t) => {
  const secret = 'hunter2-is-the-secret'
  const answers = [
    await get(`${service.url}/verify-email?token=${secret}`),
    await get(`${service.url}/nowhere/${secret}?token=${secret}`),
    await post(`${service.url}/token`, { username: secret, password: secret }),
    await get(`${service.url}/check-auth-status`, secret),
    await send('DELETE', `${service.url}/sessions/${secret}`, {}, { headers: bearer(secret) }),
    await get(`${service.url}/%zz${secret}`),
    await get(`${service.url}/health/live`),
  ]
  const lines = await Promise.all(answers.map(({ headers }) => service.lineOf(headers.get('x-request-id'))))
  t.match(
    lines.map(({ method, route, status }) => [method, route, status]),
    [
      ['GET', '/verify-email', 200],
      ['GET', 'unknown', 404],
      ['POST', '/token', 401],
      ['GET', '/check-auth-status', 401],
      ['DELETE', '/sessions/:id', 401],
      ['GET', 'unknown', 400],
      ['GET', '/health/live', 200],
    ],
  )
  t.match(lines[2], {
    code: 'invalid_credentials',
    events: ['login_failed'],
    reason: 'invalid_credentials',
    level: 30,
  })
  for (const { headers } of answers) {
    const id = headers.get('x-request-id') ?? ''
    t.equal(service.lines.filter((line) => line.includes(id)).length, 1)
  }
  for (const line of lines) t.type(line['ms'], 'number')
  t.notOk(service.lines.some((line) => line.includes(secret)))
})

t.test(
  'whatever throws, the answer is constant and the defect stands on the one line of its request',
  async (t) => {
    const bodies = new Set<string>()
    const places = ['handler', 'later', 'no-error', 'onRequest', 'preParsing', 'preValidation', 'preHandler']
    for (const place of [...places, 'preSerialization', 'onSend', 'serializer', 'custom-serializer']) {
      const answer = await get(`${service.url}/throws/${place}`)
      t.equal(answer.status, 500, place)
      const { request_id: id, ...body } = answer.body
      bodies.add(JSON.stringify(body))
      const line = await service.lineOf(answer.headers.get('x-request-id'))
      t.match(
        line,
        { level: 50, msg: 'a defect', route: `/throws/${place}`, status: 500, code: 'internal_error' },
        place,
      )
      t.type(line['err'], 'object')
      t.equal(service.lines.filter((each) => each.includes(String(id))).length, 1, `${place}: one line`)
    }
    t.equal(bodies.size, 1, [...bodies].join('\n'))
    t.notOk(service.lines.some((line) => line.includes('hunter2 was thrown')))

    const away = await get(`${service.url}/throws/unavailable`)
    t.equal(away.status, 503)
    t.equal(away.headers.get('retry-after'), '1')
    t.match(await service.lineOf(away.headers.get('x-request-id')), {
      level: 40,
      status: 503,
      code: 'unavailable',
    })
  },
)

t.test('a line names the trace that its request belongs to, and the id that a proxy gave it', async (t) => {
  const [trace, span] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7']
  const traced = { trace_id: trace, parent_id: span }
  const ask = async (headers: Record<string, string>) => {
    const answer = await fetch(`${service.url}/health/live`, { headers })
    const id = answer.headers.get('x-request-id')
    t.match(id, /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/, 'the id is always our own')
    return service.lineOf(id)
  }
  t.match(await ask({ traceparent: `00-${trace}-${span}-01`, tracestate: 'vendor=1' }), traced)
  t.match(await ask({ traceparent: `01-${trace}-${span}-00-of-a-later-version` }), traced)
  for (const traceparent of [
    'hunter2',
    `00-${trace}-${span}`,
    `00-${trace}-${span}-01-more`,
    `ff-${trace}-${span}-01`,
    `00-${trace.toUpperCase()}-${span}-01`,
    `00-${'0'.repeat(32)}-${span}-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `00-${trace}-${span}-01, 00-${trace}-${span}-01`,
    `01-${trace}-${span}-00-${'x'.repeat(300)}`,
  ])
    t.notMatch(await ask({ traceparent }), { trace_id: /./ }, traceparent)

  const foreign = randomUUID()
  t.match(await ask({ 'x-request-id': foreign }), { client_request_id: foreign })
  for (const id of ['short', 'x'.repeat(65), '{"level":60}', 'a b c d e f', `${foreign}, ${foreign}`])
    t.notMatch(await ask({ 'x-request-id': id }), { client_request_id: /./ }, id)
})

t.test('bytes that are no request, and a client that hangs up, have their one line too', async (t) => {
  const { hostname, port } = new URL(service.url)
  const dial = async (bytes: string) => {
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    socket.write(bytes)
    return socket
  }
  let answer = ''
  for await (const chunk of (await dial('hunter2\r\n\r\n')).setEncoding('utf8')) answer += chunk
  const id = /X-Request-Id: (\S+)/.exec(answer)?.[1] ?? ''
  t.match(await service.lineOf(id), { route: 'unknown', status: 400, code: 'bad_request', reason: /^HPE_/ })

  const all = async (bytes: string) => {
    let text = ''
    for await (const chunk of (await dial(bytes)).setEncoding('utf8')) text += chunk
    const ids = [...text.matchAll(/^X-Request-Id: (\S+)\r$/gim)].map(([, each = '']) => each)
    return { statuses: [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status)), ids }
  }
  const live = 'GET /health/live HTTP/1.1\r\nHost: x\r\n'
  const chunked = (line: string) =>
    `${line} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`
  for (const [bytes, expected] of [
    [`${live}Expect: more\r\n\r\n`, [[417, 'GET', 'unknown']]],
    ['CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n', [[400, 'CONNECT', 'unknown']]],
    [chunked('POST /token'), [[400, 'POST', '/token']]],
    [chunked('PUT /user'), [[401, 'PUT', '/user']]],
    // Answers are told apart by their order alone: the request before has its own.
    [
      `${live.replace('/live', '/ready')}\r\nhunter2\r\n\r\n`,
      [
        [200, 'GET', '/health/ready'],
        [400, '', 'unknown'],
      ],
    ],
    [
      `${live.replace('/live', '/ready')}\r\n${chunked('POST /token')}`,
      [
        [200, 'GET', '/health/ready'],
        [400, 'POST', '/token'],
      ],
    ],
  ] as const) {
    const before = service.lines.length
    const { statuses, ids } = await all(bytes)
    t.same(
      statuses,
      expected.map(([status]) => status),
      bytes,
    )
    const lines = await Promise.all(ids.map((each) => service.lineOf(each)))
    t.same(
      lines.map(({ status, method, route }) => [status, method, route]),
      expected,
    )
    await service.lineOf((await get(`${service.url}/health/live`)).headers.get('x-request-id'))
    t.equal(service.lines.length, before + expected.length + 1, 'one line for each')
  }

  const foreign = randomUUID()
  const socket = await dial(`GET /waits HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: ${foreign}\r\n\r\n`)
  await until('it waits', async () => (await get(`${service.url}/waiting`)).body['waiting'] === 1)
  socket.destroy()
  const line = await service.lineWith(`"client_request_id":"${foreign}"`)
  t.match(line, { route: '/waits', status: 499, aborted: true })
  await get(`${service.url}/release`)
  await get(`${service.url}/health/live`)
  t.equal(service.lines.filter((each) => each.includes(foreign)).length, 1)
})

t.test('every security event is recorded, counted and on the line of its request', async (t) => {
  const { url, pool } = service
  const age = () => pool.query(`UPDATE sessions SET rotated_at = now() - interval '5 minutes'`)
  const refresh = (token: string) => post(`${url}/refresh`, { refresh: token })
  const person = await register(service)
  await post(`${url}/resend-verification`, { email: person.email })
  await post(`${url}/token`, { username: person.username, password: 'not this one' })

  const first = await signIn(service, person)
  const second = text(await refresh(first.refresh), 'refresh')
  t.equal((await refresh(first.refresh)).headers.get('keyturn-refresh'), 'replayed')
  await age()
  t.equal((await refresh(first.refresh)).headers.get('keyturn-refresh'), 'lost-answer')
  let newest = second
  for (let round = 0; round < 3; round += 1) newest = text(await refresh(newest), 'refresh')
  t.equal((await refresh(first.refresh)).body['code'], 'refresh_overtaken')
  await age()
  t.equal((await refresh(first.refresh)).body['code'], 'refresh_replayed')
  t.equal((await refresh(newest)).body['code'], 'session_revoked')

  const healed = await signIn(service, person)
  const ahead = text(await refresh(healed.refresh), 'refresh')
  await pool.query('UPDATE sessions SET generation = 0 WHERE revoked_at IS NULL')
  t.equal((await refresh(ahead)).headers.get('keyturn-refresh'), 'healed')
  const kept = await post(`${url}/sj/token`, { username: person.username, password: person.password })
  t.equal((await post(`${url}/sj/refresh`, { refresh: text(kept, 'refresh') })).status, 200)
  await post(`${url}/logout`, { refresh: ahead })
  await post(`${url}/logoutall`, {}, { headers: bearer((await signIn(service, person)).access) })

  const password = 'another pass phrase'
  const reset = await resetToken(service, person.email)
  t.equal((await post(`${url}/reset`, { token: reset, password })).status, 200)
  const { access } = await signIn(service, { ...person, password })
  const headers = bearer(access)
  const change = { current_password: password, new_password: person.password }
  t.equal((await post(`${url}/change-password`, change, { headers })).status, 200)
  const email = somebody().email
  await post(`${url}/change-email`, { email, password: person.password }, { headers })
  const confirm = await letterToken(service, email, '/confirm-email')
  t.equal((await post(`${url}/confirm-email`, { token: confirm })).status, 200)
  const undo = await letterToken(service, person.email, '/undo-email')
  t.equal((await post(`${url}/undo-email`, { token: undo })).status, 200)
  const other = await register(service)
  const own = bearer((await signIn(service, other)).access)
  t.equal((await send('PATCH', `${url}/user`, { first_name: 'Ada' }, { headers: own })).status, 200)
  t.equal((await send('DELETE', `${url}/user`, { password: other.password }, { headers: own })).status, 200)

  const recorded = async () => {
    const { rows } = await pool.query('SELECT kind, count(*)::integer AS count FROM events GROUP BY kind')
    return Object.fromEntries(rows.map(({ kind, count }) => [kind, count]))
  }
  // Whose the letters are that were asked for, the outbox finds out a moment later.
  await until('that is recorded', async () => (await recorded())['verification_requested'] !== undefined)
  const { samples } = readExposition(await service.metrics())
  const counted = samples
    .filter(({ name, value }) => name === 'keyturn_security_events_total' && value > 0)
    .map(({ labels, value }) => [labels['kind'], value])
  t.strictSame(Object.fromEntries(counted), await recorded(), 'the counters say what the record says')
  const byOperators = ['account_disabled', 'account_enabled']
  t.strictSame(
    counted.map(([kind]) => kind),
    Object.keys(EVENTS).filter((kind) => !byOperators.includes(kind)),
    'and each kind was there',
  )
  const written = new Set(service.lines.flatMap((line) => JSON.parse(line).events ?? []))
  // The record of an account that is erased names nobody, so that no line can.
  t.strictSame(
    [...written].sort(),
    counted
      .map(([kind]) => kind)
      .filter((kind) => kind !== 'account_deleted')
      .sort(),
  )
  const theft = JSON.parse(service.lines.find((line) => line.includes('refresh_theft')) ?? '')
  t.match(theft, {
    user_id: 1,
    session_id: /^[\da-f-]{36}$/,
    code: 'refresh_replayed',
    status: 401,
    time: Number,
  })
  for (const word of [person.password, password, person.email, email, person.username, first.refresh, access])
    t.notOk(
      service.lines.some((line) => line.includes(word)),
      'no line has a secret or a name in it',
    )
  for (const word of [person.username, person.email, '127.0.0.1'])
    t.notOk((await service.metrics()).includes(word), 'nor have the metrics')
})

t.test('ten thousand paths and users that nobody knows leave the series as they are', async (t) => {
  const { hostname, port } = new URL(service.url)
  const body = (name: string) => `username=${name}&password=x`
  const kinds: ((name: string) => string)[] = [
    (name) => `GET /${name} HTTP/1.1\r\nHost: x\r\n\r\n`,
    (name) => `GET /errors/${name}?${name}=1 HTTP/1.1\r\nHost: x\r\n\r\n`,
    (name) => `DELETE /sessions/${name} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${name}\r\n\r\n`,
    (name) => `PROPFIND /${name} HTTP/1.1\r\nHost: x\r\n\r\n`,
    (name) =>
      `POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n` +
      `Content-Length: ${body(name).length}\r\n\r\n${body(name)}`,
  ]
  /** On a connection of its own, for none has more than a thousand. */
  async function ask(count: number): Promise<void> {
    const socket = connect(Number(port), hostname).setEncoding('utf8')
    socket.write(Array.from({ length: count }, (_, at) => kinds[at % kinds.length]?.(randomUUID())).join(''))
    let answers = ''
    for await (const text of socket) {
      answers += text
      if (answers.split('HTTP/1.1 ').length > count) return
    }
    throw new Error('the service closed a connection')
  }
  const series = async () => (await service.metrics()).split('\n').map((line) => line.replace(/ \S+$/, ''))
  // Until the guard has refused once, which is a series of its own.
  for (let at = 0; at < 80; at += 1) await ask(kinds.length)
  const before = await series()
  for (let at = 0; at < 100; at += 1) await ask(100)
  t.strictSame(await series(), before)
  t.ok(before.length < 1500, `${before.length} lines`)
})
