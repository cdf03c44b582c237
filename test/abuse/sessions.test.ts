import { Agent, request } from 'node:http'
import t from 'tap'
import { register, resetToken, signedIn, signIn, tokensOf } from '../helpers/accounts.ts'
import { startApp } from '../helpers/app.ts'
import type { Answer } from '../helpers/client.ts'
import { bearer, get, post, untilAnswered } from '../helpers/client.ts'
import type { OpenApi } from '../helpers/fuzz-requests.ts'
import { ask } from '../helpers/judge-answer.ts'
import { watchRequests } from '../helpers/statements.ts'
import { changedByDeeds, everythingStored } from '../helpers/stored.ts'
import { until } from '../helpers/until.ts'

/** Groups B and C of abuse-cases.md, as far as no other test holds them: see README.md here. */

const PAGE = 'https://app.example.com'
const service = await startApp(t, { CORS_ORIGINS: PAGE })
const { url } = service
const { pool } = service.app.database

const refresh = (token: string) => post(`${url}/refresh`, { refresh: token })
const constant = ({ status, body }: Answer) => JSON.stringify([status, { ...body, request_id: '' }])

t.test('B5: who hangs up before the answer gets the same successor by asking again', async (t) => {
  const first = await signedIn(service)
  for (let round = 0; round < 5; round += 1) {
    const body = JSON.stringify({ refresh: first.refresh })
    const asked = request(`${url}/refresh`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    })
    await new Promise<void>((resolve) => {
      asked.once('error', () => resolve())
      asked.end(body, () => setTimeout(() => asked.destroy(new Error('gone')), round))
    })
  }
  const [one, other] = [await refresh(first.refresh), await refresh(first.refresh)]
  t.equal(tokensOf(one).refresh, tokensOf(other).refresh)
  t.equal((await refresh(tokensOf(one).refresh)).status, 200)
})

t.test('B12: a token of a session that has expired is refused inside the grace too', async (t) => {
  const first = await signedIn(service)
  t.equal((await refresh(first.refresh)).status, 200)
  t.equal((await refresh(first.refresh)).headers.get('keyturn-refresh'), 'replayed', 'the grace is open')
  await pool.query(
    'UPDATE sessions SET expires_at = now() WHERE user_id = (SELECT id FROM users WHERE username = $1)',
    [first.username],
  )
  t.match(await refresh(first.refresh), { status: 401, body: { code: 'refresh_expired' } })
})

t.test('B13: who writes another session, user or counter into a token puts nobody out', async (t) => {
  const [thief, victim] = [await signedIn(service), await signedIn(service)]
  const bytes = (token: string) => Buffer.from(token.slice('ktr_'.length), 'base64url')
  const [own, wanted] = [bytes(thief.refresh), bytes(victim.refresh)]
  // Version and key are the first two bytes; user id, session id and generation follow, and the MAC.
  for (const [what, from, to] of [
    ['user', 2, 10],
    ['session', 10, 26],
    ['all', 2, 30],
  ] as const) {
    const forged = Buffer.from(own)
    wanted.copy(forged, from, from, to)
    t.match(await refresh(`ktr_${forged.toString('base64url')}`), { body: { code: 'refresh_invalid' } }, what)
  }
  for (const generation of [1, 2, 2 ** 31 - 1]) {
    const ahead = Buffer.from(wanted)
    ahead.writeUInt32BE(generation, 26)
    t.match(await refresh(`ktr_${ahead.toString('base64url')}`), { body: { code: 'refresh_invalid' } })
  }
  for (const { refresh: token } of [thief, victim]) t.equal((await refresh(token)).status, 200)
})

t.test(
  'B16: who reads the whole database finds no token in it, whole, in part or in other letters',
  async (t) => {
    const first = await signedIn(service)
    const key = 'an-idempotency-key-of-this-refresh'
    const next = await post(
      `${url}/refresh`,
      { refresh: first.refresh },
      { headers: { 'idempotency-key': key } },
    )
    const { access, refresh: newest } = tokensOf(next)
    await get(`${url}/check-auth-status`, access)
    const link = await resetToken(service, first.email)
    await pool.query('DELETE FROM mailbox')
    const stored = (await everythingStored(pool)).toLowerCase()
    t.ok(stored.includes(first.username), 'it is a dump')
    for (const secret of [first.refresh, newest, first.access, access, link]) {
      const part = Buffer.from((secret.split('.').at(-1) ?? '').replace('ktr_', ''), 'base64url')
      const mac = part.subarray(-12)
      for (const form of [secret, secret.slice(-16), mac.toString('hex'), mac.toString('base64')])
        t.notOk(stored.includes(form.toLowerCase()), form.slice(0, 4))
    }
    t.notOk(
      stored.includes(key) || stored.includes(Buffer.from(key).toString('hex')),
      'nor the key of a retry',
    )
  },
)

t.test(
  'B17: a thousand refreshes of one token at once keep nobody else waiting for the database',
  async (t) => {
    const greedy = await signedIn(service)
    const others = []
    for (let index = 0; index < 10; index += 1) others.push(await signedIn(service))
    const body = Buffer.from(JSON.stringify({ refresh: greedy.refresh }))
    const headers = { 'content-type': 'application/json' }
    const agent = new Agent({ maxSockets: 250, keepAlive: true })
    t.teardown(() => agent.destroy())
    const storm = Array.from({ length: 1000 }, () =>
      ask(url, { method: 'POST', target: '/refresh', headers, body }, agent).catch((error: unknown) =>
        String(error),
      ),
    )
    const answers = []
    for (const other of others) answers.push(await untilAnswered(() => refresh(other.refresh)))
    t.same(
      answers.map(({ status }) => status),
      others.map(() => 200),
    )
    const outcomes = await Promise.all(storm)
    const kinds = outcomes.map((each) => {
      if (typeof each === 'string') return each
      // On a machine that is slow enough some are lawfully told to come again.
      if (each.status === 503) return `503, again after ${each.headers['retry-after']}`
      return each.status === 200 ? String(JSON.parse(each.text).refresh) : String(each.status)
    })
    const successors = [...new Set(kinds)].filter((kind) => !/^503, again after \d+$/.test(kind))
    t.match(successors, [/^ktr_/])
    t.equal(successors.length, 1, 'and all of them are answered, with one successor')
    await until(
      'every connection came back',
      () => pool.waitingCount === 0 && pool.idleCount === pool.totalCount,
    )
  },
)

t.test('B21: signing out by whatever refresh token is one answer, and ends no other session', async (t) => {
  const person = await register(service)
  const [one, other, stranger] = [
    await signIn(service, person),
    await signIn(service, person),
    await signedIn(service),
  ]
  const logout = (token: string) => post(`${url}/logout`, { refresh: token })
  const done = constant(await logout(one.refresh))
  t.match(done, /^\[200,/)
  const expired = await signIn(service, person)
  await pool.query(
    'UPDATE sessions SET expires_at = now() WHERE created_at = (SELECT max(created_at) FROM sessions)',
  )
  for (const token of [
    one.refresh,
    expired.refresh,
    'unknown',
    `${other.refresh.slice(0, -2)}AA`,
    stranger.access.slice(0, 500),
  ])
    t.equal(constant(await logout(token)), done)
  t.match(
    await post(`${url}/logout`, {}),
    { status: 401, body: { code: 'token_missing' } },
    'nothing at all is no sign-out',
  )
  for (const { refresh: token } of [other, stranger]) t.equal((await refresh(token)).status, 200)
})

t.test('C5: a page of any other origin reads no answer, and caches keep the answers apart', async (t) => {
  const { access } = await signedIn(service)
  for (const path of ['/check-auth-status', '/user', '/token', '/nowhere']) {
    const asked = (origin: string) => fetch(url + path, { headers: { ...bearer(access), origin } })
    const allowed = (await asked(PAGE)).headers
    t.equal(allowed.get('access-control-allow-origin'), PAGE, path)
    t.match(allowed.get('vary'), /\borigin\b/i, path)
    for (const origin of [
      'https://evil.example',
      'null',
      `${PAGE}.evil.io`,
      'https://evilapp.example.com',
      'http://app.example.com',
      `${PAGE}:8443`,
      PAGE.toUpperCase(),
      `${PAGE}/`,
      '*',
    ]) {
      const { headers } = await asked(origin)
      t.equal(headers.get('access-control-allow-origin'), null, `${path} ${origin}`)
      t.equal(headers.get('access-control-allow-credentials'), null)
      t.match(headers.get('vary'), /\borigin\b/i, `${path} ${origin}`)
    }
  }
})

t.test(
  'C6: a preflight allows what the path takes and nothing else, and asks nothing of the database',
  async (t) => {
    const statements = watchRequests(pool)
    const preflight = async (path: string, method: string, more: Record<string, string> = {}) => {
      const headers = { origin: PAGE, 'access-control-request-method': method, ...more }
      const answer = await fetch(url + path, { method: 'OPTIONS', headers })
      return {
        status: answer.status,
        methods: answer.headers.get('access-control-allow-methods'),
        headers: answer.headers,
      }
    }
    for (const method of ['PATCH', 'DELETE', 'PUT'])
      t.match(await preflight('/user', method), { status: 204, methods: /\bPATCH\b.*\bDELETE\b/ })
    for (const method of ['DELETE', 'PATCH', 'TRACE', 'x'])
      t.match(await preflight('/token', method), { status: 204, methods: /^POST$/ }, method)
    const { headers } = await preflight('/token', 'POST', {
      'access-control-request-headers': 'x-evil, authorization',
      'access-control-request-private-network': 'true',
    })
    t.notMatch(headers.get('access-control-allow-headers'), /evil|\*/)
    t.equal(headers.get('access-control-allow-private-network'), null)
    t.equal((await preflight('/nowhere', 'POST')).status, 404)
    statements.stop()
    t.same(statements.asked(), [])
  },
)

t.test('C9: whatever /token and /refresh answer, nobody may keep it', async (t) => {
  const person = await signedIn(service)
  const json = { 'content-type': 'application/json' }
  const init = { method: 'POST', headers: json }
  for (const path of ['/token', '/refresh']) {
    const answers = [
      await fetch(url + path, {
        ...init,
        body: JSON.stringify({ username: person.username, password: person.password }),
      }),
      await fetch(url + path, { ...init, body: JSON.stringify({ refresh: person.refresh }) }),
      await fetch(url + path, { ...init, body: JSON.stringify({ username: 'x', password: 'x' }) }),
      await fetch(url + path, { ...init, body: JSON.stringify({ refresh: 'x' }) }),
      await fetch(url + path, { ...init, body: '{' }),
      await fetch(url + path, { ...init, body: 'x'.repeat(20_000) }),
      await fetch(url + path, { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'x' }),
      await fetch(url + path, { method: 'PUT' }),
      await fetch(url + path, { method: 'HEAD' }),
    ]
    const statuses = new Set(answers.map(({ status }) => status))
    t.ok(statuses.size > 4, [...statuses].join(' '))
    for (const { status, headers } of answers)
      t.equal(headers.get('cache-control'), 'no-store', `${path} ${status}`)
  }
})

t.test('C10: GET and HEAD change nothing at any path', async (t) => {
  const { access, refresh: token } = await signedIn(service)
  const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as OpenApi
  const before = await changedByDeeds(pool)
  for (const [path, methods] of Object.entries(paths)) {
    for (const method of ['GET', 'HEAD']) {
      const target = `${url}${path.replace('{id}', 'x')}?token=${token}&refresh=${token}`
      const { status } = await fetch(target, { method, headers: { origin: PAGE } })
      const isPage = [
        '/verify-email',
        '/confirm-email',
        '/undo-email',
        '/reset',
        '/request-reset',
        '/resend-verification',
      ]
      if (!('get' in methods) && !isPage.includes(path)) t.equal(status, 405, `${method} ${path}`)
      else t.ok(status < 500, `${method} ${path}`)
    }
  }
  t.same(await changedByDeeds(pool), before)
  t.equal((await get(`${url}/user`, access)).status, 200)
})
