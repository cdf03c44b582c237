import { fork } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { plain } from '../../tools/plain.mjs'
import type { Tokens } from '../helpers/accounts.ts'
import { register, signedIn, signIn, somebody } from '../helpers/accounts.ts'
import { startApp } from '../helpers/app.ts'
import { bearer, get, post } from '../helpers/client.ts'
import { startOwnPostgres } from '../helpers/postgres.ts'
import { keepSecret } from '../helpers/run-log.ts'
import { until } from '../helpers/until.ts'
import { connectionsTo } from '../torture/connections.ts'

t.test('50 concurrent refreshes of one token over two processes have one successor', async (t) => {
  const service = await startApp(t)
  const replica = fork(plain('test/helpers/replica.ts'), [service.databaseUrl], { execArgv: [] })
  t.teardown(async () => {
    replica.kill('SIGTERM')
    await once(replica, 'exit')
  })
  const [otherUrl] = (await once(replica, 'message')) as [string]

  const { refresh, access } = await signedIn(service)
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      post(`${index % 2 === 0 ? service.url : otherUrl}/refresh`, { refresh }),
    ),
  )
  t.same(
    answers.map(({ status }) => status),
    Array(50).fill(200),
  )
  t.equal(new Set(answers.map(({ body }) => body['refresh'])).size, 1, 'all have the same successor')
  const { rows } = await service.app.database.pool.query('SELECT generation, revoked_at FROM sessions')
  t.same(rows, [{ generation: 1, revoked_at: null }], 'the generation moved once and the session lives')
  t.equal((await get(`${otherUrl}/check-auth-status`, access)).status, 200)

  const outcomes = answers.map(({ headers }) => headers.get('keyturn-refresh'))
  t.equal(outcomes.filter((outcome) => outcome === 'rotated').length, 1)
  const { rows: replays } = await service.app.database.pool.query(
    `SELECT count(*)::int AS n FROM events WHERE kind = 'refresh_replayed'`,
  )
  t.equal(replays[0].n, 49, 'each of the others left an event')
})

t.test('of 20 concurrent registrations of one name exactly one has it', async (t) => {
  const service = await startApp(t)
  const person = somebody()
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      post(`${service.url}/register`, { ...person, email: `other${index}@example.org` }),
    ),
  )
  t.equal(answers.filter(({ status }) => status === 201).length, 1)
  t.equal(answers.filter(({ status }) => status === 400).length, 19)
})

t.test('nothing that was issued before a logout everywhere survives it', async (t) => {
  const service = await startApp(t)
  const person = await register(service)
  const { access } = await signIn(service, person)
  const signIns = Array.from({ length: 15 }, () => signIn(service, person))
  const out = await post(`${service.url}/logoutall`, {}, { headers: bearer(access) })
  const tokens = await Promise.all(signIns)

  const { rows } = await service.app.database.pool.query<{ late: number; alive: number }>(
    `SELECT count(*) FILTER (WHERE revoked_at IS NULL)::int AS alive,
            count(*) FILTER (WHERE revoked_at IS NULL AND created_at < (SELECT max(revoked_at) FROM sessions))::int AS late
     FROM sessions`,
  )
  t.equal(rows[0]?.late, 0, 'no session is older than the logout and alive')
  const refreshed = await Promise.all(
    tokens.map(({ refresh }) => post(`${service.url}/refresh`, { refresh })),
  )
  t.equal(refreshed.filter(({ status }) => status === 200).length, rows[0]?.alive)
  t.equal(out.body['sessions'], 16 - (rows[0]?.alive ?? 0))
})

/** By a bare socket: to fetch costs as much CPU as to answer. */
const REFRESH = {
  method: 'POST',
  path: '/refresh',
  headers: { 'content-type': 'application/json' },
} as const

t.test('10,000 rotations add no row and nearly all are heap-only updates', async (t) => {
  const service = await startApp(t, {}, { databaseUrl: await startOwnPostgres(t) })
  const { pool } = service.app.database
  const person = await register(service)
  const sessions: Tokens[] = []
  while (sessions.length < 200)
    sessions.push(...(await Promise.all([1, 2, 3, 4].map(() => signIn(service, person)))))
  await pool.query('SELECT pg_stat_reset()')

  // Eight at a time, in turn, as sessions come that each refresh once in a while.
  const tokens = sessions.map(({ refresh }) => refresh)
  const connections = connectionsTo(Number(new URL(service.url).port), 8)
  t.teardown(() => connections.close())
  const rotate = async (refresh: string): Promise<string> => {
    keepSecret(refresh)
    const answer = await connections.ask({ ...REFRESH, body: JSON.stringify({ refresh }) })
    return String(JSON.parse(answer?.body ?? '{}').refresh)
  }
  await Promise.all(
    Array.from({ length: 8 }, async (_, worker) => {
      for (let round = 0; round < 50; round += 1) {
        for (let index = worker; index < tokens.length; index += 8) {
          tokens[index] = await rotate(tokens[index] ?? '')
        }
      }
    }),
  )
  const { rows } = await pool.query(
    'SELECT count(*)::int AS n, sum(generation)::int AS generations FROM sessions',
  )
  t.same(rows, [{ n: 200, generations: 10_000 }])

  // Counters reach pg_stat_user_tables when the backends that hold them report.
  await service.app.database.pool.query('SELECT pg_stat_force_next_flush()')
  const stats = async () => {
    const answer = await pool.query<{ updates: number; hot: number }>(
      `SELECT n_tup_upd::int AS updates, n_tup_hot_upd::int AS hot FROM pg_stat_user_tables WHERE relname = 'sessions'`,
    )
    return answer.rows[0] ?? { updates: 0, hot: 0 }
  }
  await until('the counters are reported', async () => (await stats()).updates >= 10_000)
  const { updates, hot } = await stats()
  t.ok(hot / updates >= 0.99, `${hot} of ${updates} updates were heap-only`)
})
