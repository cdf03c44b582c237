import { randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import type { Test } from 'tap'
import t from 'tap'
import { buildApp } from '../../src/app.ts'
import { databasePlugin } from '../../src/plugins/database.ts'
import { metricsPlugin } from '../../src/plugins/metrics.ts'
import { revocationsPlugin } from '../../src/plugins/revocations.ts'
import { register, signedIn, signIn } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp, testConfig } from '../helpers/app.ts'
import { bearer, get, post, untilRefused } from '../helpers/client.ts'
import { gateTo } from '../helpers/gate.ts'
import { createTestDatabase } from '../helpers/postgres.ts'
import { beginElsewhere } from '../helpers/store.ts'
import { until } from '../helpers/until.ts'

const statusOf = async (service: TestApp, access: string) =>
  (await get(`${service.url}/check-auth-status`, access)).status

const logOut = (service: TestApp, access: string) =>
  post(`${service.url}/logout`, {}, { headers: bearer(access) })

/** A session that was revoked so many seconds ago, as another replica may have done it. */
async function revokedAgo({ app }: TestApp, seconds: number): Promise<string> {
  const id = randomUUID()
  await app.database.pool.query(
    `INSERT INTO sessions (id, user_id, created_at, rotated_at, expires_at, rotates, ip, user_agent, revoked_at)
     SELECT $1, id, now(), now(), now() + interval '1 day', true, '192.0.2.1', '', now() - make_interval(secs => $2)
     FROM users LIMIT 1`,
    [id, seconds],
  )
  return id
}

/** How many polls the service has begun since. */
function countPolls({ app: { database } }: TestApp): () => number {
  const { pool } = database
  const query = pool.query.bind(pool)
  let polls = 0
  Object.assign(pool, {
    query: (...args: Parameters<typeof query>) => {
      if (JSON.stringify(args[0]).includes('revoked_since')) polls += 1
      return query(...args)
    },
  })
  return () => polls
}

/** A service whose database the test can bar, and one beside it whose way is free. */
async function startBehindGate(t: Test) {
  const { url: databaseUrl } = await createTestDatabase(t)
  const gate = await gateTo(t, databaseUrl)
  const service = await startApp(t, {}, { databaseUrl: gate.url })
  return { gate, service, elsewhere: await startApp(t, {}, { databaseUrl }) }
}

t.test('who signed out is refused here at once, and by every other replica soon', async (t) => {
  const service = await startApp(t)
  const replica = await startApp(t, {}, { beside: service })
  const { access } = await signedIn(service)
  t.equal(await statusOf(replica, access), 200)
  await logOut(service, access)
  t.equal(await statusOf(service, access), 401)
  const began = performance.now()
  await untilRefused(replica, access)
  t.ok(performance.now() - began < 3000)
})

t.test('a replica that is started after the sign-out refuses the token from its first answer', async (t) => {
  const service = await startApp(t)
  const person = await register(service)
  const [out, living] = [await signIn(service, person), await signIn(service, person)]
  await logOut(service, out.access)
  const late = await startApp(t, {}, { beside: service })
  t.equal(await statusOf(late, out.access), 401)
  t.equal(await statusOf(late, living.access), 200)
})

t.test('a service does not start without having learnt what was revoked', async (t) => {
  const { url, pool } = await createTestDatabase(t)
  await pool.query('DROP TABLE sessions')
  await t.rejects(buildApp(testConfig(url)).then((app) => app.ready()))
})

t.test('a revocation that is committed late is learnt although later ones were learnt before', async (t) => {
  const service = await startApp(t)
  const person = await register(service)
  const [slow, quick] = [await signIn(service, person), await signIn(service, person)]
  const { pool } = service.app.database
  const { rows } = await pool.query('SELECT id FROM sessions ORDER BY id')
  const late = await beginElsewhere(t, pool, 'UPDATE sessions SET revoked_at = now() WHERE id = $1', [
    rows[0].id,
  ])
  await pool.query('UPDATE sessions SET revoked_at = now() WHERE id = $1', [rows[1].id])
  await untilRefused(service, quick.access)
  t.equal(await statusOf(service, slow.access), 200, 'nobody can know of it yet')
  await late.commit()
  await untilRefused(service, slow.access)
})

t.test('a revocation up to ten seconds older than the last poll is learnt', async (t) => {
  const service = await startApp(t)
  await register(service)
  const id = await revokedAgo(service, 8)
  await until('it is learnt', () => service.app.revokedSessions.has(id))
  t.ok(service.app.revokedSessions.has(id))
})

t.test('what was revoked by hand in a statement that took long is learnt within a minute', async (t) => {
  const service = await startApp(t)
  await register(service)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(metricsPlugin)
  await app.register(databasePlugin, { url: service.databaseUrl, poolMax: 2, refreshIdleTtlSeconds: 3600 })
  await app.register(revocationsPlugin, {
    accessTtlSeconds: 900,
    databaseUrl: service.databaseUrl,
    now: Date.now,
    random: () => 0,
    // The pause after each poll makes a minute of them three seconds.
    pollEveryMs: 10,
  })
  await app.ready()
  const id = await revokedAgo(service, 120)
  await until('it is learnt', () => app.revokedSessions.has(id))
  const { lateAt, clock } = app.revocations.known()
  t.ok(lateAt > clock - 60_000, 'and cursors of others are not trusted with it')
})

t.test('what concerns no living token any more is forgotten, and not learnt again', async (t) => {
  const service = await startApp(t, { ACCESS_TTL: '10s' })
  await register(service)
  // A token lives for ten seconds, and clocks may differ by five minutes.
  const [ageing, young, old] = [
    await revokedAgo(service, 307),
    await revokedAgo(service, 20),
    await revokedAgo(service, 312),
  ]
  const late = await startApp(t, { ACCESS_TTL: '10s' }, { beside: service })
  const { revokedSessions } = late.app
  t.ok(revokedSessions.has(ageing))
  t.ok(revokedSessions.has(young))
  t.notOk(revokedSessions.has(old))
  const added = randomUUID()
  revokedSessions.add([added])
  t.ok(revokedSessions.has(added), 'known here at once')
  await until('it is forgotten', () => !revokedSessions.has(ageing))
  t.ok(revokedSessions.has(young))
  t.ok(revokedSessions.has(added))
})

t.test(
  'a clock that is behind believes no token of one that is ahead, once its session has ended',
  async (t) => {
    const aside = (seconds: number) => ({ now: () => Date.now() + seconds * 1000, random: () => 0 })
    // Made 980 s ago by a clock 90 s ahead: by one that is 90 s behind it will live for another 100 s.
    const ahead = await startApp(t, {}, { world: aside(90 - 980) })
    const behind = aside(-90)
    const { access } = await signedIn(ahead)
    const before = await startApp(t, {}, { beside: ahead, world: behind })
    t.equal(await statusOf(before, access), 200)
    await ahead.app.database.pool.query(
      `UPDATE sessions SET revoked_at = now() - interval '979 seconds', revoked_reason = 'logout'`,
    )
    const after = await startApp(t, {}, { beside: ahead, world: behind })
    t.equal(await statusOf(after, access), 401)
  },
)

t.test('while the database is away who only verifies is served as before, and catches up', async (t) => {
  const { gate, service, elsewhere } = await startBehindGate(t)
  const person = await register(elsewhere)
  const [out, living, later] = [
    await signIn(elsewhere, person),
    await signIn(elsewhere, person),
    await signIn(elsewhere, person),
  ]
  await logOut(elsewhere, out.access)
  await untilRefused(service, out.access)

  gate.shut()
  const polls = countPolls(service)
  await until('it was asked twice', () => polls() >= 2)
  t.equal(await statusOf(service, out.access), 401, 'the set stays as it is')
  t.equal(await statusOf(service, living.access), 200)
  t.match(await logOut(service, living.access), { status: 503 }, 'what cannot be recorded is not done')
  t.equal(await statusOf(service, living.access), 200)
  await logOut(elsewhere, later.access)
  t.equal(await statusOf(service, later.access), 200, 'nobody told it')

  gate.open()
  await untilRefused(service, later.access)
  t.equal(await statusOf(service, out.access), 401)
  t.equal(await statusOf(service, living.access), 200)
})

t.test('a poll that hangs does not stop the polling', async (t) => {
  const { gate, service, elsewhere } = await startBehindGate(t)
  const { access } = await signedIn(elsewhere)
  const polls = countPolls(service)
  gate.hang()
  await until('it was asked', () => polls() > 0)
  await logOut(elsewhere, access)
  gate.open()
  await untilRefused(service, access)
  t.equal(await statusOf(service, access), 401)
})
