import type { ChildProcessByStdio } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { Test } from 'tap'
import t from 'tap'
import { leaksIn, runLog } from '../../tools/leaks.mjs'
import { plain } from '../../tools/plain.mjs'
import {
  letterToken,
  register,
  resetToken,
  signIn,
  somebody,
  verificationToken,
} from '../helpers/accounts.ts'
import { buildTestApp, startApp } from '../helpers/app.ts'
import { bearer, get, send } from '../helpers/client.ts'
import type { OpenApi } from '../helpers/fuzz-requests.ts'
import { connectTo, readAll } from '../helpers/raw.ts'
import { keepPrinted } from '../helpers/run-log.ts'
import { until } from '../helpers/until.ts'

/** Group N of abuse-cases.md, as far as it is about what gets out; tools/leaks.mjs asks the same of every log of the run. */

const DIALECTS = ['simplejwt', 'authtoken', 'signup', 'knox'] as const
const SERVICE_CLIENT = { id: 'billing', secret: 'not-for-logs-0123456789abcdefghijklmnop' }
const service = await startApp(t, {
  DIALECTS: `canonical=/,${DIALECTS.map((name) => `${name}=/${name}`).join()}`,
  EMAIL_VERIFICATION: 'optional',
  SERVICE_CLIENTS: `${SERVICE_CLIENT.id}:${SERVICE_CLIENT.secret}`,
})

/** SQLSTATEs of failures that are defects, and of those that pass by themselves. */
const STATES = { '22021': 500, '23505': 500, '54001': 500, '57P01': 503, '53300': 503, '25006': 503 } as const
/** What Postgres would quote. */
const QUOTED = ['quoted-by-postgres@example.org', 'quoted$2b$12$secret', 'quoted-statement-secret']

/** What Postgres says when it refuses a statement, with all that it ever quotes. */
function refusal(sqlState: string): Buffer {
  const fields = {
    S: sqlState === '57P01' ? 'FATAL' : 'ERROR',
    V: 'ERROR',
    C: sqlState,
    M: `duplicate key value: ${QUOTED[0]}`,
    D: `Key (email_key, password_hash)=(${QUOTED[0]}, ${QUOTED[1]}) already exists.`,
    H: QUOTED[1],
    W: `SQL statement ${QUOTED[2]}`,
    q: `SELECT ${QUOTED[2]}`,
    n: 'users_pkey',
  }
  const text = Object.entries(fields).map(([type, value]) => `${type}${value}\0`)
  const body = Buffer.from(`${text.join('')}\0`)
  const head = Buffer.from([0x45, 0, 0, 0, 0])
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body, Buffer.from([0x5a, 0, 0, 0, 5, 0x49])])
}

/** A way to the database by which every statement is refused with `state.sqlState`, where there is one. */
async function refusingWay(t: Test, databaseUrl: string) {
  const state: { sqlState: string | undefined; refused: number } = { sqlState: undefined, refused: 0 }
  const { hostname, port, searchParams, pathname, username } = new URL(databaseUrl)
  const host = searchParams.get('host') ?? hostname
  const at = Number(searchParams.get('port') ?? port) || 5432
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const database = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${at}`) : connect(at, host)
    for (const [from, to] of [
      [client, database],
      [database, client],
    ] as const) {
      sockets.add(from)
      from.on('error', () => undefined).on('close', () => to.destroy())
    }
    database.on('data', (bytes) => client.write(bytes))
    client.on('data', (bytes) => {
      // Of every message that a driver sends these two end in an answer: Sync and a simple Query.
      const isStatement = bytes[0] === 0x51 || bytes.subarray(-5).equals(Buffer.from([0x53, 0, 0, 0, 4]))
      if (state.sqlState === undefined || !isStatement) return void database.write(bytes)
      state.refused += 1
      client.write(refusal(state.sqlState))
      if (state.sqlState === '57P01') client.end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const url = new URL(`postgres://127.0.0.1:${(server.address() as AddressInfo).port}${pathname}`)
  url.username = searchParams.get('user') ?? username
  url.searchParams.set('sslmode', 'disable')
  return { url: url.href, state }
}

t.test('N1: a token in a path or a query stands in no answer and no log', async (t) => {
  const lines: string[] = []
  const world = {
    now: Date.now,
    random: Math.random,
    logTo: { write: (line: string) => void lines.push(line) },
  }
  const logging = await startApp(t, { LOG_LEVEL: 'trace' }, { beside: service, world })
  const secret = 'SECRET-0123456789'
  for (const path of [
    `/verify-email?token=${secret}`,
    `/reset?token=${secret}`,
    `/nowhere?token=${secret}`,
    `/nowhere/${secret}`,
    `/errors/${secret}`,
    `/token/${secret}`,
    `/%zz${secret}`,
    `/check-auth-status?access_token=${secret}`,
  ]) {
    const socket = await connectTo(logging.url)
    const answer = readAll(socket)
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: ${secret}\r\nConnection: close\r\nX-Request-Id: ${secret}\r\nReferer: https://${secret}/\r\nUser-Agent: ${secret}\r\nCookie: a=${secret}\r\nAuthorization: Bearer ${secret}\r\n\r\n`,
    )
    const text = await answer
    // The form of a page has to send the token on.
    const isForm = path.startsWith('/verify-email') || path.startsWith('/reset')
    t.equal(
      isForm ? text.slice(0, text.indexOf('\r\n\r\n')).includes(secret) : text.includes(secret),
      false,
      path,
    )
  }
  await until('each request has its line', () => lines.length >= 8)
  t.notMatch(lines.join(''), secret)
  const kept = readFileSync(join(runLog(), `${process.pid}.log`), 'utf8')
  t.match(kept, /secrets\.test\.ts:\d+.*verify-email/, 'which is kept for the end of the run')
})

t.test('N2: whatever Postgres refuses, at whichever route, nobody is told what it was', async (t) => {
  const person = await register(service)
  const ownLink = await verificationToken(service, person.email)
  await send('POST', `${service.url}/verify-email`, { token: ownLink })
  const { access, refresh } = await signIn(service, person)
  const reset = await resetToken(service, person.email)
  const late = somebody()
  await send('POST', `${service.url}/register`, { ...late })
  const verify = await letterToken(service, late.email, '/verify-email')
  const { email: newEmail } = somebody()
  await send(
    'POST',
    `${service.url}/change-email`,
    { email: newEmail, password: person.password },
    { headers: bearer(access) },
  )
  const confirm = await letterToken(service, newEmail, '/confirm-email')
  const undo = await letterToken(service, person.email, '/undo-email')
  const { body } = await get(`${service.url}/sessions`, access)
  const session = JSON.stringify(body).match(/[\da-f-]{36}/)?.[0] ?? ''

  const way = await refusingWay(t, service.databaseUrl)
  const lines: string[] = []
  const world = {
    now: Date.now,
    random: Math.random,
    logTo: { write: (line: string) => void lines.push(line) },
  }
  const app = await buildTestApp({ ...service.config, databaseUrl: way.url, databasePoolMax: 4 }, { world })
  t.teardown(() => app.close())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })

  const { username, email, password } = person
  const known = { headers: bearer(access) }
  const basic = {
    headers: {
      authorization: `Basic ${Buffer.from(`${SERVICE_CLIENT.id}:${SERVICE_CLIENT.secret}`).toString('base64')}`,
    },
  }
  const fresh = 'a wholly new pass phrase'
  type Asked = readonly [string, string, Record<string, string>, { headers?: Record<string, string> }?]
  const routes: readonly Asked[] = [
    ['POST', '/register', { ...somebody() }],
    ['POST', '/verify-email', { token: verify }],
    ['POST', '/resend-verification', { email }],
    ['POST', '/token', { username, password }],
    ['POST', '/token', { grant_type: 'refresh_token', refresh_token: refresh }],
    ['POST', '/refresh', { refresh }],
    ['POST', '/logout', { refresh }],
    ['POST', '/logout', {}, known],
    ['POST', '/logoutall', {}, known],
    ['GET', '/sessions', {}, known],
    ['DELETE', `/sessions/${session}`, {}, known],
    ['GET', '/user', {}, known],
    ['PUT', '/user', { username }, known],
    ['PATCH', '/user', { first_name: 'Ada' }, known],
    ['DELETE', '/user', { password }, known],
    ['POST', '/user/widgets', { a: 'document' }, known],
    ['GET', '/user/widgets', {}, known],
    ['GET', '/user/events', {}, known],
    ['POST', '/change-password', { current_password: password, new_password: fresh }, known],
    ['POST', '/change-email', { email: somebody().email, password }, known],
    ['POST', '/confirm-email', { token: confirm }],
    ['POST', '/undo-email', { token: undo }],
    ['POST', '/request-reset', { email }],
    ['POST', '/reset', { token: reset, password: fresh }],
    ['POST', '/introspect', { token: refresh }, basic],
    ['POST', '/revoke', { token: refresh }, basic],
    ['GET', '/dev/mailbox.json?to=nobody@example.org', {}],
    ['POST', '/simplejwt/token', { username, password }],
    ['POST', '/authtoken/login', { username, password }],
    ['POST', '/signup/login', { username, password }],
    ['POST', '/knox/login', { username, password }],
  ]
  const { paths } = (await get(`${url}/openapi.json`)).body as unknown as OpenApi
  const own = Object.entries(paths).filter(([path]) => !DIALECTS.some((name) => path.startsWith(`/${name}/`)))
  const operations = own.flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  const asked = new Set(
    routes.map(([method, path]) => `${method} ${path.replace(session, '{id}').replace(/\?.*/, '')}`),
  )
  t.same(
    operations.filter((operation) => !asked.has(operation)),
    [
      'GET /health/live',
      'GET /health/ready',
      'GET /metrics',
      'GET /revocations',
      'GET /.well-known/jwks.json',
      'GET /.well-known/oauth-authorization-server',
      'GET /check-auth-status',
    ],
    'all but those that answer without the database, or tell of it',
  )
  const bodies = new Map<string, Set<string>>()
  for (const [sqlState, status] of Object.entries(STATES)) {
    way.state.sqlState = sqlState
    for (const [method, path, fields, options = {}] of routes) {
      const what = `${sqlState} at ${method} ${path.replace(session, ':id')}`
      const before = way.state.refused
      const answer =
        method === 'GET'
          ? await get(url + path, options.headers ? access : undefined)
          : await send(method, url + path, fields, options)
      t.ok(way.state.refused > before, `${what} asks the database`)
      t.equal(answer.status, status, what)
      t.equal(answer.headers.get('retry-after'), status === 503 ? '1' : null, what)
      const told = JSON.stringify({ ...answer.body, request_id: '' })
      const shape = `${status} in the words of ${'error' in answer.body ? 'OAuth' : path.split('/')[1]?.replace(/^(?!simplejwt|authtoken|signup|knox).*/, 'Keyturn')}`
      bodies.set(shape, (bodies.get(shape) ?? new Set()).add(told))
      t.notOk(
        [...QUOTED, sqlState, 'users_pkey', ...Object.values(person)].some((word) => told.includes(word)),
        what,
      )
    }
    way.state.sqlState = undefined
  }
  for (const [shape, told] of bodies) t.equal(told.size, 1, `${shape}: one constant body`)
  const logged = lines.join('')
  t.match(logged, /SQLSTATE 54001/, 'the log tells operators which')
  const secrets = [...QUOTED, ...Object.values(person), access, refresh, reset, verify, confirm, undo]
  for (const secret of [...secrets, SERVICE_CLIENT.secret])
    t.notOk(logged.includes(secret), 'and nothing of what was refused')
  t.notMatch(logged, /SELECT |INSERT |UPDATE |params/)
  t.equal((await get(`${url}/user`, access)).status, 200, 'the pool is as good as before')
})

t.test('N2, N6: however an error comes into the log, nothing that it quotes does', async (t) => {
  const word = 'quoted-by-an-error-0123456789'
  const lines: string[] = []
  const world = {
    now: Date.now,
    random: Math.random,
    logTo: { write: (line: string) => void lines.push(line) },
  }
  const app = await buildTestApp(service.config, { world })
  t.teardown(() => app.close())
  const refused = Object.assign(new Error(`Key (email)=(${word})`), {
    code: '23505',
    detail: `Key (email)=(${word}) already exists.`,
    params: [word],
  })
  const nested = new Error(word, { cause: new Error(word, { cause: refused }) })
  const thrown: Readonly<Record<string, () => unknown>> = {
    'by Postgres': () => Promise.reject(refused),
    'as a cause': () => Promise.reject(nested),
    'as a cause that is a text': () => Promise.reject(new Error('x', { cause: word })),
    'with a code that is more than one': () =>
      Promise.reject(Object.assign(new Error(word), { code: { word } })),
    'by the engine, of a value': () => Reflect.apply(Array.prototype.map, [1], [word]),
    'by the engine, of a name': () => Reflect.get(JSON.parse('[]'), 0)[word],
    'by Node, of an argument': () => Buffer.from('a', JSON.parse(`"${word}"`)),
    'as no error': () => Promise.reject(word),
  }
  for (const [what, burst] of Object.entries(thrown))
    app.get(`/throws/${encodeURIComponent(what)}`, async () => burst())
  app.get('/twice', (_request, reply) => {
    reply.send({})
    reply.send({})
  })
  app.get('/raw', (_request, reply) => {
    reply.raw.writeHead(200)
    reply.raw.write('{}')
    reply.send({})
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  for (const what of Object.keys(thrown)) {
    const answer = await get(`${url}/throws/${encodeURIComponent(encodeURIComponent(what))}`)
    t.equal(answer.status, 500, what)
    t.notOk(JSON.stringify(answer.body).includes(word), what)
  }
  t.equal((await get(`${url}/twice?token=${word}`)).status, 200)
  await get(`${url}/raw?token=${word}`).catch(() => undefined)
  for (const error of [refused, nested]) {
    app.log.warn(error)
    app.log.warn({ err: error })
    app.log.warn({ err: error }, error.message)
    app.log.warn({ error }, 'under another name')
  }
  app.log.warn({ err: new TypeError('x') }, 'the last one')
  while (!lines.some((line) => line.includes('the last one')))
    await new Promise((resolve) => setImmediate(resolve))
  const logged = lines.join('')
  t.match(logged, /a defect/)
  t.match(logged, /already sent/, "with Fastify's own words")
  t.match(logged, /"error":\{"type":"Error".*"code":"23505"/, 'while operators learn what it was')
  t.match(logged, /"message":"Cannot read properties of undefined"/)
  t.same(
    lines.filter((line) => line.includes(word)),
    [],
  )
})

/** Any port, for that of the inspector may be taken on this machine. */
const INSPECTED = { PATH: process.env['PATH'], NODE_OPTIONS: '--inspect-port=0' }

function printedBy(t: Test, child: ChildProcessByStdio<Writable | null, Readable, Readable>) {
  t.teardown(() => child.kill('SIGKILL'))
  let printed = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => (printed += text))
  return {
    printed: () => printed,
    untilPrinted: (word: string) => until(`"${word}" is printed`, () => printed.includes(word)),
  }
}

t.test(
  'N10: SIGUSR1 opens no inspector in production, not while a start waits for its database either',
  async (t) => {
    const waiting = createServer(() => undefined)
    waiting.listen(0, '127.0.0.1')
    await once(waiting, 'listening')
    t.teardown(() => waiting.close())
    const { port } = waiting.address() as AddressInfo
    const asked = once(waiting, 'connection')
    const child = spawn(process.execPath, [plain('src/server.ts')], {
      env: {
        ...INSPECTED,
        NODE_ENV: 'production',
        PORT: '3000',
        PUBLIC_URL: 'https://auth.example.com',
        SMTP_URL: 'smtps://mail.example.com',
        DATABASE_URL: `postgres://127.0.0.1:${port}/none`,
        JWT_SECRETS: 'a:M0Cd7AnGqIYuIAAj1iEyUcYE8mdO6xyVYVdpY6kz7Qg',
        SERVER_SECRETS: 'a:AIWQGDZcJHiWvDnqkZ6Dm6O1DkHhkJhbWvLV0YVJJZY',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    keepPrinted(child.stdout)
    const service = printedBy(t, child)
    await Promise.race([asked, once(child, 'exit')])
    t.equal(child.exitCode, null, service.printed())

    const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); console.log("up")'], {
      env: INSPECTED,
    })
    const control = printedBy(t, other)
    await control.untilPrinted('up')
    child.kill('SIGUSR1')
    other.kill('SIGUSR1')
    await control.untilPrinted('Debugger listening')
    for (let round = 0; round < 10; round += 1) {
      child.kill('SIGUSR1')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    t.notMatch(service.printed(), /Debugger listening/)
    t.equal(child.exitCode, null, 'and the process lives on')
  },
)

t.test('what no log may hold is found in it, in whichever form, and shown masked', async (t) => {
  const person = somebody()
  const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl'
  const planted = {
    'a password': person.password,
    'a password in a body': JSON.stringify({ password: person.password }),
    'a password in a query': encodeURIComponent(person.password),
    'an address': 'somebody.else@mail.example.com',
    'a token': `Bearer ${jwt}`,
    'a refresh token': 'ktr_AQIDBAUGBwgJCgsMDQ4PEA',
    'a hash': 'bcrypt_sha256$$2b$12$abcdefghijklmnopqrstuu',
    'the hash of another system': 'pbkdf2_sha256$1000000$abc$def',
    'an IP address': '198.51.100.7',
  }
  for (const [what, text] of Object.entries(planted)) {
    const [leak] = leaksIn(
      [{ file: 'some.test.ts:1', line: JSON.stringify({ level: 30, text }) }],
      [person.password],
    )
    t.equal(leak?.file, 'some.test.ts:1', what)
    t.notOk(leak?.line.includes(text), `${what} is not printed again`)
  }
  const harmless = [
    { level: 30, method: 'GET', route: '/errors/:code', status: 200 },
    {
      level: 50,
      err: { stack: 'at x (/a/node_modules/@fastify/cors/index.js:1:2) | at y (core/refresh-token.ts:3:4)' },
    },
    { level: 30, msg: 'Server listening at http://127.0.0.1:3000' },
  ]
  const lines = harmless.map((line) => ({ file: 'x', line: JSON.stringify(line) }))
  t.same(leaksIn(lines, [person.password]), [])
})
