import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { Person } from '../helpers/accounts.ts'
import { register, signedIn, somebody, tokensOf } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import { bearer, get, post, send, untilRefused } from '../helpers/client.ts'

const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0'

interface Listed {
  readonly id: string
  readonly label: string
  readonly current: boolean
  readonly user_agent: string
}

interface Event {
  readonly id: string
  readonly kind: string
}

async function signInFrom(service: TestApp, { username, password }: Person, userAgent: string) {
  return tokensOf(
    await post(`${service.url}/token`, { username, password }, { headers: { 'user-agent': userAgent } }),
  )
}

async function sessionsOf(service: TestApp, access: string): Promise<Listed[]> {
  return (await get(`${service.url}/sessions`, access)).body['sessions'] as Listed[]
}

function end(service: TestApp, access: string, id: string) {
  return send('DELETE', `${service.url}/sessions/${id}`, {}, { headers: bearer(access) })
}

t.test('the sessions of an account are listed by device, the one used last first', async (t) => {
  const service = await startApp(t)
  const person = await register(service)
  const phone = await signInFrom(service, person, 'okhttp/4.12.0')
  const desk = await signInFrom(service, person, FIREFOX)
  await post(`${service.url}/refresh`, { refresh: phone.refresh })
  await signedIn(service)

  const answer = await get(`${service.url}/sessions`, desk.access)
  t.match(answer.body, {
    sessions: [
      { label: 'App on Android', current: false, user_agent: 'okhttp/4.12.0', ip: '127.0.0.1' },
      { label: 'Firefox on Windows', current: true, user_agent: FIREFOX, created_at: /^\d{4}-.*Z$/ },
    ],
  })
  t.equal((answer.body['sessions'] as Listed[]).length, 2, 'and nobody else’s')
  t.equal(answer.headers.get('cache-control'), 'no-store')
})

t.test('ending a session ends that one, here and at the other replica', async (t) => {
  const service = await startApp(t)
  const replica = await startApp(t, {}, { beside: service })
  const person = await register(service)
  const phone = await signInFrom(service, person, 'okhttp/4.12.0')
  const desk = await signInFrom(service, person, FIREFOX)
  const [id = ''] = (await sessionsOf(service, desk.access)).flatMap((each) =>
    each.current ? [] : [each.id],
  )

  t.match(await end(service, desk.access, id), { status: 200, body: { success: true } })
  t.match(await end(service, desk.access, id), { status: 404, body: { code: 'not_found' } })
  t.match(await post(`${service.url}/refresh`, { refresh: phone.refresh }), {
    body: { code: 'session_revoked' },
  })
  t.equal((await get(`${service.url}/user`, phone.access)).status, 401)
  await untilRefused(replica, phone.access)
  t.same(
    (await sessionsOf(service, desk.access)).map(({ current }) => current),
    [true],
  )
  const [own = ''] = (await sessionsOf(service, desk.access)).map((session) => session.id)
  t.equal((await end(service, desk.access, own.toUpperCase())).status, 200, 'also the session that asks')
  t.equal((await get(`${service.url}/sessions`, desk.access)).status, 401)
})

t.test('what is no live session of one’s own is one 404, whatever it is', async (t) => {
  const service = await startApp(t)
  const { access } = await signedIn(service)
  const other = await signedIn(service)
  const [foreign = ''] = (await sessionsOf(service, other.access)).map(({ id }) => id)
  const long = 'x'.repeat(300)
  for (const id of [
    foreign,
    randomUUID(),
    'x',
    '99999999999',
    '-1',
    '1e3',
    '%00',
    "'%20OR%201=1--",
    '%F0%9F%98%80',
  ]) {
    t.match(await end(service, access, id), { status: 404, body: { code: 'not_found' } }, id)
  }
  t.match((await end(service, access, long)).status, /^4/)
  t.equal((await get(`${service.url}/user`, other.access)).status, 200, 'nobody was signed out')
})

t.test('sessions that are over are not listed', async (t) => {
  const service = await startApp(t)
  const person = await signedIn(service)
  for (const change of [
    `rotated_at = now() - interval '31 days'`,
    `expires_at = now()`,
    `revoked_at = now(), revoked_reason = 'logout'`,
  ]) {
    await signInFrom(service, person, 'over')
    await service.app.database.pool.query(`UPDATE sessions SET ${change} WHERE user_agent = 'over'`)
  }
  t.same(
    (await sessionsOf(service, person.access)).map(({ current }) => current),
    [true],
  )
})

t.test('events are paged, newest first, each once and none of anybody else', async (t) => {
  const service = await startApp(t)
  const { pool } = service.app.database
  const person = await signedIn(service)
  const other = await signedIn(service)
  await post(`${service.url}/token`, { username: person.username, password: 'a wrong guess' })
  await send('PATCH', `${service.url}/user`, { city: 'Köln' }, { headers: bearer(person.access) })
  for (let round = 0; round < 5; round += 1) await signInFrom(service, person, FIREFOX)
  // Events of one moment, as a storm makes them.
  await pool.query(`UPDATE events SET at = date_trunc('hour', now()) WHERE kind = 'login'`)

  const pages: Event[][] = []
  let next: unknown
  do {
    const query = next === undefined ? 'limit=3' : `limit=3&before=${next}`
    const { body } = await get(`${service.url}/user/events?${query}`, person.access)
    pages.push(body['events'] as Event[])
    next = body['next']
  } while (next !== null && pages.length < 10)
  t.same(
    pages.map(({ length }) => length),
    [3, 3, 3, 1],
  )
  const { rows } = await pool.query(
    `SELECT id FROM events WHERE user_id = (SELECT id FROM users WHERE username = $1) ORDER BY at DESC, id DESC`,
    [person.username],
  )
  t.same(
    pages.flat().map(({ id }) => id),
    rows.map(({ id }) => id),
  )
  t.match(
    pages
      .flat()
      .map(({ kind }) => kind)
      .sort(),
    [
      'account_updated',
      'email_verified',
      'login',
      'login',
      'login',
      'login',
      'login',
      'login',
      'login_failed',
      'registered',
    ],
  )

  const [foreign] = (await get(`${service.url}/user/events?limit=1`, other.access)).body['events'] as Event[]
  for (const before of [foreign?.id, randomUUID()]) {
    t.match(await get(`${service.url}/user/events?before=${before}`, person.access), {
      status: 200,
      body: { events: [], next: null },
    })
  }
  t.equal(((await get(`${service.url}/user/events`, person.access)).body['events'] as Event[]).length, 10)
})

t.test('a page that cannot be meant is refused by name', async (t) => {
  const service = await startApp(t)
  const { access } = await signedIn(service)
  for (const limit of ['0', '101', '-1', '1.5', '1e1', '0x5', 'abc', '%205', '', '9999999999']) {
    t.match(
      await get(`${service.url}/user/events?limit=${limit}`, access),
      { status: 400, body: { code: 'validation_failed', errors: { limit: [/1 to 100/] } } },
      limit,
    )
  }
  for (const before of ['x', '1', '', '%00', "'%20OR%201=1--"]) {
    t.match(
      await get(`${service.url}/user/events?before=${before}`, access),
      { status: 400, body: { errors: { before: [/id of an event/] } } },
      before,
    )
  }
  t.equal((await get(`${service.url}/user/events?limit=1&limit=2`, access)).status, 400)
  t.equal((await get(`${service.url}/user/events`)).status, 401)
})

t.test('an access token whose user number somebody else has got opens nothing of his', async (t) => {
  const service = await startApp(t, {
    DIALECTS: 'canonical=/,simplejwt=/sj,knox=/knox,authtoken=/at,signup=/su',
    EMAIL_VERIFICATION: 'optional',
  })
  const { pool } = service.app.database
  const lost = await signedIn(service)
  const knox = await post(`${service.url}/knox/login`, { username: lost.username, password: lost.password })
  const [row] = (await pool.query('SELECT id FROM users WHERE username = $1', [lost.username])).rows
  // As a backup has it that was made before the registration.
  await pool.query('DELETE FROM users WHERE id = $1', [row.id])
  await pool.query(`SELECT setval(pg_get_serial_sequence('users', 'id'), $1, false)`, [row.id])
  const stranger = await signedIn(service)
  await post(`${service.url}/user/widgets`, { theme: 'dark' }, { headers: bearer(stranger.access) })
  const [same] = (await pool.query('SELECT id FROM users WHERE username = $1', [stranger.username])).rows
  t.equal(same.id, row.id)
  const [target = ''] = (await sessionsOf(service, stranger.access)).map(({ id }) => id)
  // What his own requests leave a moment later, that they were seen, is not the doing of these.
  const everything = async () =>
    (
      await pool.query(
        `SELECT (SELECT json_agg(u) FROM users u) AS users, (SELECT json_agg(e ORDER BY e.id) FROM events e) AS events,
                (SELECT jsonb_agg(to_jsonb(s) - 'seen_generation' ORDER BY s.id) FROM sessions s) AS sessions, (SELECT json_agg(w) FROM widgets w) AS widgets,
                (SELECT json_agg(c) FROM counters c WHERE c.key LIKE 'login:%') AS counters`,
      )
    ).rows
  const before = await everything()

  const { password } = stranger
  const [name, address] = [{ first_name: 'Eve' }, { email: somebody().email, password }]
  const asks: readonly [method: string, path: string, fields: Record<string, string>][] = [
    ['GET', '/user', {}],
    ['PUT', '/user', name],
    ['PATCH', '/user', name],
    ['DELETE', '/user', { password }],
    ['GET', '/user/events', {}],
    ['GET', '/user/widgets', {}],
    ['POST', '/user/widgets', name],
    ['GET', '/sessions', {}],
    ['DELETE', `/sessions/${target}`, {}],
    ['DELETE', `/sessions/${randomUUID()}`, {}],
    ['POST', '/change-password', { current_password: password, new_password: 'quite another phrase' }],
    ['POST', '/change-email', address],
    ['POST', '/logoutall', {}],
    ['GET', '/sj/user/update', {}],
    ['POST', '/sj/user/update', { name: 'Eve' }],
    [
      'POST',
      '/sj/user/password/update',
      { old_password: password, password: 'p h r a s e', confirm_password: 'p h r a s e' },
    ],
    ['GET', '/sj/check-auth-status', {}],
    ['GET', '/knox/user', {}],
    ['PUT', '/knox/user', { first_name: 'Eve' }],
    ['PUT', '/knox/user', { password: 'quite another phrase' }],
    ['PUT', '/knox/user', { email: somebody().email }],
    ['GET', '/knox/user/widgets', {}],
    ['POST', '/knox/user/widgets', name],
    ['POST', '/knox/logoutall', {}],
  ]
  for (const [method, path, fields] of asks) {
    const token = path.startsWith('/knox') ? `Token ${knox.body['token']}` : `Bearer ${lost.access}`
    const headers = { authorization: token }
    const answer =
      method === 'GET'
        ? await fetch(service.url + path, { headers })
        : await send(method, service.url + path, fields, { headers })
    t.equal(answer.status, 401, `${method} ${path}`)
  }
  t.same(await everything(), before, 'and nothing of his is touched, not a counter either')
  t.match(await get(`${service.url}/user`, lost.access), { body: { code: 'invalid_token' } })

  // Whoever adds a route behind an access token says here what it does with such a one.
  const tokenAlone = [
    'GET /check-auth-status',
    'POST /knox/logout',
    'POST /sj/logout',
    'POST /at/logout',
    'POST /su/logout',
  ]
  const { paths } = (await get(`${service.url}/openapi.json`)).body as {
    paths: Record<string, Record<string, { security?: readonly Record<string, unknown>[] }>>
  }
  const guarded = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { security = [] }]) =>
      security.some((each) => 'access' in each || 'token' in each)
        ? [`${method.toUpperCase()} ${path.replace(/\/$/, '')}`]
        : [],
    ),
  )
  const asked = new Set([
    ...asks.map(([method, path]) => `${method} ${path.replace(/^\/sessions\/.*/, '/sessions/{id}')}`),
    ...tokenAlone,
  ])
  t.same(
    guarded.filter((route) => !asked.has(route)),
    [],
  )
})
