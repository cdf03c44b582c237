import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import t from 'tap'
import { startEmbeddedPostgres } from '../../src/store/embedded.ts'
import { migrate } from '../../src/store/migrate.ts'
import type { Person, Tokens } from '../helpers/accounts.ts'
import { register, signIn } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import { bearer, post, untilAnswered, untilReady, untilRefused } from '../helpers/client.ts'
import { gateTo } from '../helpers/gate.ts'
import { metricOf, pause, startBehind, untilListening, withOtherBackend } from '../helpers/replicas.ts'

/** How long after a sign-out here the token is refused there, in milliseconds. */
async function reach(here: TestApp, there: TestApp, person: Person): Promise<number> {
  const { access } = await signIn(here, person)
  await post(`${here.url}/logout`, {}, { headers: bearer(access) })
  const began = performance.now()
  await untilRefused(there, access)
  return performance.now() - began
}

t.test(
  'a sign-out is refused by another replica in less than a second, and sooner than it would ask',
  async (t) => {
    const here = await startApp(t)
    const there = await startApp(t, {}, { beside: here })
    await untilListening([here, there])
    const person = await register(here)
    const times = []
    for (let round = 0; round < 8; round += 1) times.push(await reach(here, there, person))
    times.sort((a, b) => a - b)
    t.comment(`${times.map(Math.round).join(' ')} ms`)
    t.ok((times.at(-1) ?? 0) < 1000)
    t.ok((times[4] ?? 0) < 250, 'a second apart, half of the polls would take longer')
  },
)

t.test('a listener that was cut off listens again, and what was revoked meanwhile is learnt', async (t) => {
  const here = await startApp(t)
  const there = await startApp(t, {}, { beside: here })
  await untilListening([here, there])
  const person = await register(here)
  const { rows } = await here.app.database.pool.query(
    `SELECT pg_terminate_backend(pid) AS cut FROM pg_stat_activity
     WHERE application_name = 'keyturn listener' AND datname = current_database()`,
  )
  t.strictSame(rows, [{ cut: true }, { cut: true }])
  t.ok((await reach(here, there, person)) < 5000)
  await untilListening([here, there])
  t.ok((await reach(here, there, person)) < 1000)
  t.ok((await metricOf(there, 'keyturn_revocations_staleness_seconds')) < 3)
})

t.test('after Postgres was restarted a sign-out reaches every replica as before', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'restart-'))
  const before = await startEmbeddedPostgres({ dataDir, durable: false })
  t.teardown(() => before.stop())
  await migrate(before.url)
  const gate = await gateTo(t, before.url)
  const here = await startApp(t, {}, { databaseUrl: gate.url })
  const there = await startApp(t, {}, { beside: here })
  await untilListening([here, there])
  const person = await register(here)
  t.ok((await reach(here, there, person)) < 1000)

  await before.stop()
  await untilListening([here, there], 0)
  await pause(1100)
  t.ok(
    (await metricOf(there, 'keyturn_revocations_staleness_seconds')) > 1,
    'staleness tells that nobody answers',
  )
  const after = await startEmbeddedPostgres({ dataDir, durable: false })
  t.teardown(() => after.stop())
  gate.leadTo(after.url)
  await untilReady(here.url)
  t.ok((await reach(here, there, person)) < 5000, 'at once by asking')
  await untilListening([here, there])
  t.ok((await reach(here, there, person)) < 1000, 'and then by listening')
})

t.test(
  'behind a pooler, which would give what is heard to others, nobody listens and asking is enough',
  async (t) => {
    const [here, there] = await startBehind(t, { toClient: withOtherBackend })
    const person = await register(here)
    await untilListening([here])
    t.ok((await reach(here, there, person)) < 5000)
    t.equal(await metricOf(there, 'keyturn_revocations_listening'), 0)
    t.ok((await reach(there, here, person)) < 1000, 'but it tells, by a connection of its pool')
  },
)

t.test('on an engine that knows no LISTEN asking is enough', async (t) => {
  const [here, there] = await startBehind(t, {
    toDatabase: (bytes) => Buffer.from(bytes.toString('latin1').replace('LISTEN ', 'LISTEM '), 'latin1'),
  })
  const person = await register(here)
  await untilListening([here])
  t.ok((await reach(here, there, person)) < 5000)
  t.equal(await metricOf(there, 'keyturn_revocations_listening'), 0)
})

t.test('a storm of sign-outs shares its notices, none of which is part of a sign-out', async (t) => {
  const here = await startApp(t)
  const there = await startApp(t, {}, { beside: here })
  await untilListening([here, there])
  const person = await register(here)
  // One after the other: hashing refuses what it cannot do soon.
  const sessions: Tokens[] = []
  while (sessions.length < 60) sessions.push(await signIn(here, person))
  const ear = new pg.Client(here.databaseUrl)
  await ear.connect()
  t.teardown(() => ear.end())
  let heard = 0
  const speakers = new Set<number>()
  ear.on('notification', ({ processId }) => {
    heard += 1
    speakers.add(processId)
  })
  await ear.query('LISTEN keyturn_revoked')
  const began = performance.now()
  await Promise.all(
    sessions.map(({ access }) =>
      untilAnswered(() => post(`${here.url}/logout`, {}, { headers: bearer(access) })),
    ),
  )
  for (const { access } of sessions) await untilRefused(there, access)
  const took = performance.now() - began
  await ear.query('SELECT 1')
  t.ok(heard >= 1)
  t.ok(heard <= 2 + took / 50, `${heard} notices in ${Math.round(took)} ms`)
  t.equal(speakers.size, 1, 'all by the connection that listens')
})
