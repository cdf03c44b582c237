import { once } from 'node:events'
import { METHODS } from 'node:http'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import t from 'tap'
import { register, resetToken, signedIn, somebody } from '../helpers/accounts.ts'
import { startApp } from '../helpers/app.ts'
import { bearer, ENCODINGS, post, untilAnswered } from '../helpers/client.ts'
import { connectTo, pipeline, rawPost, readAll, statusesIn } from '../helpers/raw.ts'
import { beginElsewhere, untilWaiting } from '../helpers/store.ts'
import { until } from '../helpers/until.ts'

/** Groups H and F of abuse-cases.md, as far as test/plugins/bodies.test.ts and client-errors.test.ts do not ask for it. */

const service = await startApp(t, { EMAIL_VERIFICATION: 'optional' })
const LIVE = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
const TOKEN = 'POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'

/** Sends the bytes as they are and gives all that comes back. */
async function send(bytes: string): Promise<string> {
  const socket = await connectTo(service.url)
  const answer = readAll(socket)
  socket.write(bytes)
  return answer
}

/** Sends a byte each half second for as long as the service listens; when it stopped, and what it said. */
async function drip(start: string) {
  const socket = await connectTo(service.url)
  const answer = readAll(socket)
  const began = performance.now()
  socket.write(start)
  const timer = setInterval(() => socket.write('x'), 500)
  const text = await answer
  clearInterval(timer)
  return { text, seconds: (performance.now() - began) / 1000 }
}

const NEW = 'an entirely new pass phrase'
/** On a machine however busy; a few milliseconds otherwise. */
const AT_ONCE_MS = 1000
/** Seconds; ten, and what a machine that is busy makes of them. */
const PATIENCE = 14
/** Begun now, for they take ten seconds. */
const SLOW = 250
const dripping = Promise.all(
  Array.from({ length: SLOW }, (_, index) =>
    Promise.all([
      drip(`GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Slow-${index}: `),
      drip(`${TOKEN}Content-Length: 1000\r\n\r\n{"username":"`),
    ]),
  ),
)
const silent = send(`${TOKEN}Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n`)

t.test('H25: while 500 connections drip, others are answered as ever', async (t) => {
  const person = await register(service)
  let slowest = 0
  for (let round = 0; round < 20; round += 1) {
    const began = performance.now()
    t.match(await send(LIVE), /^HTTP\/1\.1 200 /)
    slowest = Math.max(slowest, performance.now() - began)
  }
  t.equal((await post(`${service.url}/token`, { ...credentials(person) })).status, 200)
  t.ok(slowest < AT_ONCE_MS, `the slowest took ${Math.round(slowest)} ms`)
})

function credentials({ username, password }: { username: string; password: string }) {
  return { username, password }
}

t.test('H29, H30: every other method is one 405 with Allow, at every kind of path', async (t) => {
  for (const [path, allow] of [
    ['/token', 'POST, OPTIONS'],
    ['/token/?x=1', 'POST, OPTIONS'],
    ['/user', 'GET, PUT, PATCH, DELETE, HEAD, OPTIONS'],
    ['/sessions/1', 'DELETE, OPTIONS'],
    ['/health/live', 'GET, HEAD, OPTIONS'],
  ] as const) {
    // The answer to HEAD has no body; CONNECT is not for a path.
    const not = new Set(['HEAD', 'CONNECT', ...allow.split(', ')])
    for (const method of METHODS.filter((method) => !not.has(method))) {
      const text = await send(`${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
      t.same(statusesIn(text), [405], `${method} ${path}`)
      t.match(text, new RegExp(`^allow: ${allow}\\r$`, 'im'))
      t.match(text, /"code":"method_not_allowed"/)
    }
  }
  const query = METHODS.includes('QUERY') ? ['QUERY'] : []
  for (const method of ['PROPFIND', 'GET', 'POST', 'DELETE', ...query]) {
    const text = await send(`${method} /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
    t.same(statusesIn(text), [404], method)
  }
  for (const method of ['FOO', 'get', 'POST ']) {
    const text = await send(`${method} /token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
    t.same(statusesIn(text), [400], method)
  }
  for (const method of query) {
    const text = await send(
      `${method} /token${TOKEN.slice(11)}Connection: close\r\nContent-Length: 2\r\n\r\n{}`,
    )
    t.same(statusesIn(text), [405], `${method} with a body`)
  }
  const tunnel = await send('CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n')
  t.same(statusesIn(tunnel), [400], 'CONNECT, and it is closed')
})

t.test('H26: what two readers could read in two ways is refused, and the connection ends', async (t) => {
  const smuggled = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n'
  for (const [what, bytes] of Object.entries({
    'chunks and a length': `${TOKEN}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${smuggled}`,
    'two encodings': `${TOKEN}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${smuggled}`,
    'an encoding in two lines': `${TOKEN}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n${smuggled}`,
    'an encoding with a tab': `${TOKEN}Transfer-Encoding:\tchunked\x0b\r\n\r\n0\r\n\r\n${smuggled}`,
    'a length with a sign': `${TOKEN}Content-Length: +2\r\n\r\n{}${smuggled}`,
    'a length in hex': `${TOKEN}Content-Length: 0x2\r\n\r\n{}${smuggled}`,
    'a list of lengths': `${TOKEN}Content-Length: 2, 2\r\n\r\n{}${smuggled}`,
    'lines that end by LF alone': 'GET /health/live HTTP/1.1\nHost: localhost\n\n',
    'a CR by itself': 'GET /health/live HTTP/1.1\r\nHost: a\rX: b\r\n\r\n',
    'a chunk with a negative size': `${TOKEN}Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n${smuggled}`,
  })) {
    const text = await send(bytes)
    t.same(statusesIn(text), [400], what)
    t.match(text, /^connection: close\r$/im, what)
  }
})

t.test('H33: of 10,000 requests at once on one connection no more than a thousand are served', async (t) => {
  const request = LIVE.replace('Connection: close\r\n', '')
  const before = service.app.server.listenerCount('connection')
  const statuses = await pipeline(service.url, Array<string>(10_000).fill(request))
  t.ok(
    statuses.length > 0 && statuses.length <= 1000,
    `${statuses.length} were answered before it was closed`,
  )
  t.ok(statuses.every((status) => status === 200))
  t.equal(service.app.server.listenerCount('connection'), before)

  const half = await connectTo(service.url)
  const answer = readAll(half)
  half.end(LIVE)
  t.same(statusesIn(await answer), [200], 'whoever says no more is answered all the same')
})

t.test('H34: a thousand who leave in the middle leave nothing behind', async (t) => {
  const { access } = await signedIn(service)
  const { pool } = service.app.database
  const connections = promisify(service.app.server.getConnections.bind(service.app.server))
  const before = await connections()
  const warnings: string[] = []
  const warned = ({ name }: Error) => void warnings.push(name)
  process.on('warning', warned)
  t.teardown(() => process.off('warning', warned))
  const token = rawPost('/token', { username: somebody().username, password: 'a wrong guess' })
  const user = `GET /user HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${access}\r\n\r\n`
  for (let round = 0; round < 1000; round += 1) {
    const socket = await connectTo(service.url)
    // A hash is dear, so few ask for one.
    socket.write(round % 2 === 0 ? token.slice(0, -5) : round % 20 === 1 ? token : user)
    await new Promise((resolve) => setImmediate(resolve))
    socket.resetAndDestroy()
  }
  await until('every connection is gone', async () => (await connections()) <= before)
  t.same(warnings, [], 'no listener is left')
  t.equal((await fetch(`${service.url}/user`, { headers: bearer(access) })).status, 200)
  await until('the pool is whole', () => pool.idleCount === pool.totalCount && pool.waitingCount === 0)
  t.ok(pool.totalCount <= service.config.databasePoolMax)
  const { status } = await untilAnswered(() => post(`${service.url}/token`, credentials(somebody())))
  t.equal(status, 401, 'and nobody waits for them')
})

t.test('H36: nobody is taken to another protocol', async (t) => {
  for (const upgrade of ['h2c', 'websocket', 'TLS/1.2']) {
    const headers = `Host: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: ${upgrade}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13`
    const socket = await connectTo(service.url)
    const answer = readAll(socket)
    socket.write(`GET /health/live HTTP/1.1\r\n${headers}\r\n\r\n`)
    await once(socket, 'data')
    socket.end()
    t.ok([200, 400].includes(statusesIn(await answer)[0] ?? 0), upgrade)
  }
})

t.test('H10, H16, H21, F12: what is too much is refused at once, by its bytes', async (t) => {
  const form = 'POST /token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: '
  const bodies: readonly (readonly [string, string, string])[] = [
    [
      'a megabyte of password',
      'application/json',
      JSON.stringify({ username: 'x', password: 'p'.repeat(1e6) }),
    ],
    [
      'a megabyte of a name',
      'application/json',
      JSON.stringify({ username: 'u'.repeat(1e6), password: 'x' }),
    ],
    ['200,000 brackets', 'application/json', `{"username":${'['.repeat(200_000)}`],
    [
      '50,000 fields',
      'application/x-www-form-urlencoded',
      Array.from({ length: 50_000 }, (_, n) => `${n}=1`).join('&'),
    ],
    ['a megabyte of &', 'application/x-www-form-urlencoded', '&'.repeat(1e6)],
    [
      '1,200 parts',
      'multipart/form-data; boundary=x',
      `${'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'.repeat(1200)}--x--\r\n`,
    ],
  ]
  for (const [what, type, body] of bodies) {
    const began = performance.now()
    const text = await send(`${form}${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
    t.same(statusesIn(text), [413], what)
    const took = performance.now() - began
    t.ok(took < AT_ONCE_MS, `${what} in ${Math.round(took)} ms`)
  }
})

t.test('F1, F2, F6: no byte of a password is without meaning, at registration and sign-in', async (t) => {
  for (const [stem, right, wrong] of [
    ['a'.repeat(72), 'X', 'Y'],
    ['\u{1f600}'.repeat(18), 'X', 'Y'],
    ['e\u0301 la carte ', 'menu 1', 'menu 2'],
  ] as const) {
    const person = { ...somebody(), password: `${stem}${right}` }
    // A password that every list holds is not the point here.
    const unlike = { ...person, password: `${person.username.slice(-6)} ${person.password}` }
    await register(service, unlike)
    const tryWith = async (password: string, encoding: (typeof ENCODINGS)[number]) =>
      (await post(`${service.url}/token`, { username: unlike.username, password }, { encoding })).status
    for (const encoding of ENCODINGS) {
      t.equal(await tryWith(unlike.password, encoding), 200)
      t.equal(await tryWith(unlike.password.slice(0, -right.length) + wrong, encoding), 401)
    }
    t.equal(await tryWith(unlike.password.normalize('NFC'), 'json'), 200, 'F6: however it was typed')
  }
})

t.test('F4, F5, F13: what is no text is no password, at every door', async (t) => {
  const { access, email } = await signedIn(service)
  const token = await resetToken(service, email)
  for (const password of [
    null,
    true,
    12345678,
    ['a pass phrase 1'],
    { $ne: '' },
    '\ud800 is half 123',
    'a\0pass phrase',
  ]) {
    const doors = [
      ['/token', { username: 'x', password }],
      ['/register', { ...somebody(), password }],
      ['/reset', { token, password }],
      ['/change-password', { current_password: password, new_password: 'another pass phrase' }],
      ['/change-password', { current_password: 'x', new_password: password }],
    ] as const
    for (const [path, body] of doors) {
      const answer = await fetch(service.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...bearer(access) },
        body: JSON.stringify(body),
      })
      t.equal(answer.status, 400, `${path} ${JSON.stringify(password)}`)
    }
  }
  const done = await post(`${service.url}/reset`, { token, password: 'another pass phrase' })
  t.equal(done.status, 200, 'the link was good all the time')
})

t.test('F8, F9, F10: what is too short or common is refused wherever a password is chosen', async (t) => {
  const { access, email, password } = await signedIn(service)
  const token = await resetToken(service, email)
  for (const [weak, why] of [
    ['vjzqmkp', /too short/],
    ['\u{1f600}\u{1f680}\u{1f427}\u{1f335}\u{1f9ca}\u{1f3b2}\u{1f511}', /too short/],
    ['password1', /too common/],
    ['Ｐａｓｓｗｏｒｄ１', /too common/],
    ['iloveyou1', /too common/],
  ] as const) {
    for (const [path, field, fields] of [
      ['/register', 'password', { ...somebody(), password: weak }],
      ['/reset', 'password', { token, password: weak }],
      ['/change-password', 'new_password', { current_password: password, new_password: weak }],
    ] as const) {
      const answer = await post(service.url + path, fields, { headers: bearer(access) })
      t.match(answer, { status: 400, body: { errors: { [field]: [why] } } }, `${path} ${weak}`)
    }
  }
  t.equal((await post(`${service.url}/token`, { username: email, password })).status, 200)
})

t.test('F20: to renew an old hash brings no old password back', async (t) => {
  const dearer = await startApp(t, { BCRYPT_COST: '5' }, { beside: service, patient: true })
  const { pool } = service.app.database
  const [person, other] = [await register(service), await register(service, { ...somebody(), password: NEW })]
  const hashOf = async () => {
    const { rows } = await pool.query('SELECT password_hash FROM users WHERE username = $1', [
      person.username,
    ])
    return rows[0]?.password_hash
  }
  const change = await beginElsewhere(
    t,
    pool,
    'UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE username = $1) WHERE username = $2',
    [other.username, person.username],
  )
  const renewing = post(`${dearer.url}/token`, credentials(person))
  await untilWaiting(pool)
  await change.commit()
  t.equal((await renewing).status, 401)
  t.match(await hashOf(), /^bcrypt_sha256\$\$2b\$04\$/, 'the one of the change, not renewed by the old one')
  t.equal((await post(`${dearer.url}/token`, credentials(person))).status, 401, 'the old password')
  t.equal((await post(`${dearer.url}/token`, { ...credentials(person), password: NEW })).status, 200)
  t.match(await hashOf(), /^bcrypt_sha256\$\$2b\$05\$/, 'renewed by the new one')
})

t.test('every answer tells browsers to be careful, and no cache to keep it', async (t) => {
  const answers = await Promise.all(
    [
      'GET /health/live',
      'GET /nowhere',
      'PROPFIND /token',
      'GET /token',
      'GET /check-auth-status',
      'OPTIONS /token',
      'GET /%zz',
      'GET /docs',
      'GET /errors/not_found',
      'GET /verify-email?token=x',
      'CONNECT localhost:1',
    ].map((line) => send(`${line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)),
  )
  answers.push(await send(LIVE.replace('\r\n\r\n', '\r\nExpect: more\r\n\r\n')))
  for (const text of answers) isCareful(t, text)
})

function isCareful(t: Test, text: string): void {
  const what = text.slice(0, 30)
  t.match(text, /^x-content-type-options: nosniff\r$/im, what)
  t.match(text, /^referrer-policy: no-referrer\r$/im, what)
  t.match(text, /^x-frame-options: DENY\r$/im, what)
  t.match(text, /^cross-origin-resource-policy: same-origin\r$/im, what)
  t.match(text, /^strict-transport-security: max-age=31536000/im, what)
  t.match(text, /^x-request-id: [\da-f-]{36}\r$/im, what)
  t.notMatch(text, /^(server|x-powered-by):/im, what)
  if (/^HTTP\/1\.1 [45]/.test(text)) t.match(text, /^cache-control: no-store\r$/im, what)
}

t.test(
  'H25, H32: who drips a header or a body, or waits to be asked for it, is told 408 and let go',
  async (t) => {
    const slow = await dripping
    const wrong: string[] = []
    for (const [header, body] of slow) {
      for (const { text, seconds } of [header, body]) {
        if (!/^HTTP\/1\.1 408 /.test(text) || seconds > PATIENCE)
          wrong.push(`${seconds} s, then ${text.slice(0, 40)}`)
      }
    }
    t.same(wrong, [])
    const longest = (at: 0 | 1) => Math.max(...slow.map((pair) => pair[at].seconds)).toFixed(1)
    t.comment(`headers were cut off within ${longest(0)} s, bodies within ${longest(1)} s`)
    t.match(await silent, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 408 /)
    t.match(await send(LIVE), /^HTTP\/1\.1 200 /)
  },
)
