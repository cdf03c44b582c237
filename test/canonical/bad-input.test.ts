import { connect } from 'node:net'
import t from 'tap'
import { somebody } from '../helpers/accounts.ts'
import { startApp } from '../helpers/app.ts'

const POSTS = ['/register', '/verify-email', '/resend-verification', '/token', '/refresh', '/logout']

t.test('bad input gets a clear 4xx at every POST, and nothing is stored', async (t) => {
  const service = await startApp(t)
  const { url } = service
  const person = somebody()
  const json = (body: string) => ({ body, headers: { 'content-type': 'application/json' } })
  const valid = JSON.stringify(person)

  const bodies: Record<string, { body: string | Buffer; headers?: Record<string, string>; codes: number[] }> =
    {
      'an unknown content type': {
        body: valid,
        headers: { 'content-type': 'application/xml' },
        codes: [415],
      },
      'text/plain': { body: valid, headers: { 'content-type': 'text/plain' }, codes: [415] },
      'a compressed body': {
        body: valid,
        headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
        codes: [415],
      },
      'broken JSON': { ...json('{"username":'), codes: [400] },
      'an array': { ...json(`[${valid}]`), codes: [400] },
      'a name twice': { ...json('{"email":"a@example.org","email":"b@example.org"}'), codes: [400] },
      'null for a string': {
        ...json(JSON.stringify({ ...person, refresh: null, token: null, email: null, password: null })),
        codes: [400],
      },
      'a list for a string': {
        ...json(JSON.stringify({ refresh: ['x'], token: ['x'], email: ['x'], password: ['x'] })),
        codes: [400],
      },
      'an object for a string': {
        ...json(
          JSON.stringify({ refresh: { a: 1 }, token: { a: 1 }, email: { a: 1 }, password: { $ne: '' } }),
        ),
        codes: [400],
      },
      'a number for a string': { ...json('{"refresh":1,"token":1,"email":1,"password":1}'), codes: [400] },
      NUL: {
        ...json('{"refresh":"a\\u0000","token":"a\\u0000","email":"a\\u0000@b.org","password":"a\\u0000"}'),
        codes: [400],
      },
      'a lone surrogate': {
        ...json('{"username":"a\\ud800","email":"a@example.org","password":"longenough"}'),
        codes: [400],
      },
      'invalid UTF-8': {
        body: Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d]),
        headers: { 'content-type': 'application/json' },
        codes: [400],
      },
      'a megabyte': { ...json(JSON.stringify({ username: 'x'.repeat(1_000_000) })), codes: [413] },
      'depth 200,000': { ...json('['.repeat(200_000)), codes: [400, 413] },
      __proto__: { ...json('{"__proto__":{"is_admin":true}}'), codes: [400] },
      'a doubled form field': {
        body: 'refresh=a&refresh=b&token=a&token=b&email=a&email=b',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        codes: [400],
      },
      'broken percent-encoding': {
        body: 'refresh=%zz&token=%zz&email=%zz',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        codes: [400],
      },
      'a truncated multipart': {
        body: '--x\r\nContent-Disposition: form-data; name="email"\r\n\r\na',
        headers: { 'content-type': 'multipart/form-data; boundary=x' },
        codes: [400],
      },
      'a multipart without a boundary': {
        body: 'x',
        headers: { 'content-type': 'multipart/form-data' },
        codes: [400],
      },
      'a file': {
        body: '--x\r\nContent-Disposition: form-data; name="password"; filename="a"\r\n\r\na\r\n--x--\r\n',
        headers: { 'content-type': 'multipart/form-data; boundary=x' },
        codes: [400, 413],
      },
    }

  for (const path of POSTS) {
    for (const [what, { codes, ...init }] of Object.entries(bodies)) {
      const response = await fetch(url + path, { method: 'POST', ...init })
      const answer = (await response.json()) as { code: string; detail: string; request_id: string }
      // An empty request logs nobody out: /logout asks for a token before it looks at what else is wrong.
      t.ok(codes.includes(response.status), `${path}: ${what} is ${codes.join(' or ')}`, {
        got: response.status,
        answer,
      })
      t.match(answer, { code: /^[a-z_]+$/, detail: /\w/, request_id: /\w/ })
      t.equal(response.headers.get('content-type'), 'application/problem+json; charset=utf-8')
    }
  }
  const { rows } = await service.app.database.pool.query(
    'SELECT (SELECT count(*) FROM users)::int AS users, (SELECT count(*) FROM sessions)::int AS sessions, (SELECT count(*) FROM outbox)::int AS letters',
  )
  t.same(rows, [{ users: 0, sessions: 0, letters: 0 }])
})

t.test(
  'unknown fields are refused by name where they mean nothing, and by name where they mean too much',
  async (t) => {
    const { url } = await startApp(t)
    const send = async (path: string, fields: object) => {
      const init = {
        method: 'POST',
        body: JSON.stringify(fields),
        headers: { 'content-type': 'application/json' },
      }
      const response = await fetch(url + path, init)
      return {
        status: response.status,
        body: (await response.json()) as { errors: Record<string, string[]> },
      }
    }
    t.match(await send('/token', { username: 'a', password: 'b', remember: true }), {
      status: 400,
      body: { errors: { remember: ['This field is not known here. Remove it.'] } },
    })
    for (const name of [
      'id',
      'roles',
      'is_admin',
      'is_active',
      'is_staff',
      'sub',
      'email_verified',
      'confirmPassword',
    ]) {
      t.match(await send('/register', { ...somebody(), [name]: true }), {
        status: 400,
        body: { errors: { [name]: [/reserved/] } },
      })
    }
  },
)

t.test('every complaint about a registration is made at once', async (t) => {
  const { url } = await startApp(t)
  const response = await fetch(`${url}/register`, {
    method: 'POST',
    body: JSON.stringify({ username: 'a b', email: 'nowhere', password: 'short' }),
    headers: { 'content-type': 'application/json' },
  })
  t.match(await response.json(), {
    code: 'validation_failed',
    errors: {
      username: [/valid username/],
      email: ['Enter a valid email address.'],
      password: [/at least 8/],
    },
  })
})

t.test('other methods get 405 with Allow, other paths 404, and OPTIONS describes', async (t) => {
  const { url } = await startApp(t)
  const wrong = await fetch(`${url}/token`)
  t.equal(wrong.status, 405)
  t.equal(wrong.headers.get('allow'), 'POST, OPTIONS')
  t.match(await wrong.json(), { code: 'method_not_allowed' })
  t.equal((await fetch(`${url}/nowhere?token=SECRET`)).status, 404)
  t.equal((await fetch(`${url}//token`, { method: 'POST' })).status, 404)
  t.equal((await fetch(`${url}/token/`, { method: 'OPTIONS' })).status, 200, 'a slash at the end is fine')
  t.match(await (await fetch(`${url}/token`, { method: 'OPTIONS' })).json(), {
    name: 'Token',
    parses: ['application/json', 'application/x-www-form-urlencoded', 'multipart/form-data'],
    actions: { POST: { password: { type: 'string', required: true, max_length: 1024 } } },
  })
})

t.test('a preflight is answered as one, for the allowed origin alone', async (t) => {
  const { url } = await startApp(t, { CORS_ORIGINS: 'https://app.example.com' })
  const preflight = (origin: string) =>
    fetch(`${url}/token`, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } })
  const allowed = await preflight('https://app.example.com')
  t.equal(allowed.status, 204)
  t.equal(allowed.headers.get('access-control-allow-origin'), 'https://app.example.com')
  t.match(allowed.headers.get('access-control-allow-headers'), /idempotency-key/)
  for (const origin of [
    'https://evil.example',
    'null',
    'https://app.example.com.evil.io',
    'http://app.example.com',
  ]) {
    t.equal((await preflight(origin)).headers.get('access-control-allow-origin'), null, origin)
  }
})

t.test('half a body, and a body one byte at a time, end the connection and nothing else', async (t) => {
  const { url, app } = await startApp(t)
  const { port, hostname } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.end(
    'POST /token HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"user',
  )
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk)
  t.notMatch(Buffer.concat(chunks).toString(), / 5\d\d /)
  t.equal((await fetch(`${url}/health/live`)).status, 200)
  t.equal(app.database.pool.waitingCount, 0)
})
