import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'
import { startEmbeddedPostgres } from '../../src/store/embedded.ts'
import { migrate } from '../../src/store/migrate.ts'
import type { Person } from '../helpers/accounts.ts'
import { register, signIn } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp, TEST_SECRETS } from '../helpers/app.ts'
import { bearer, post, untilReady, untilRefused } from '../helpers/client.ts'
import { gateTo } from '../helpers/gate.ts'
import { startBehind, untilListening, withOtherBackend } from '../helpers/replicas.ts'
import { SERVICE, WITH_SERVICE } from '../helpers/service-client.ts'
import { until } from '../helpers/until.ts'
import type { VerifierProcess } from '../helpers/verifier-process.ts'
import { startVerifier } from '../helpers/verifier-process.ts'

/** A verifier in a process of its own that follows the feed of this replica. */
const follow = (t: Test, { url, config }: TestApp) =>
  startVerifier(t, {
    issuer: config.jwtIssuer,
    audience: config.jwtAudience,
    secrets: TEST_SECRETS.JWT_SECRETS,
    revocations: {
      url: `${url}/revocations`,
      clientId: SERVICE.id,
      clientSecret: SERVICE.secret,
      maxStaleSeconds: 60,
      onStale: 'closed',
    },
  })

async function untilVerdict(verifier: VerifierProcess, access: string, verdict: string): Promise<void> {
  await until(`the verifier says ${verdict}`, async () => (await verifier.verdictOf(access)) === verdict)
}

/** How long after a sign-out here the token is refused there, and by whoever follows it, in milliseconds. */
async function reach(here: TestApp, there: TestApp, verifier: VerifierProcess, person: Person) {
  const { access } = await signIn(here, person)
  await untilVerdict(verifier, access, 'good')
  await post(`${here.url}/logout`, {}, { headers: bearer(access) })
  const began = performance.now()
  const since = () => performance.now() - began
  const [replica, service] = await Promise.all([
    (async () => {
      await untilRefused(there, access)
      return since()
    })(),
    (async () => {
      await untilVerdict(verifier, access, 'session_revoked')
      return since()
    })(),
  ])
  return { replica, service }
}

t.test(
  'a sign-out is refused by another replica and by a service within a second, also after a cut',
  async (t) => {
    const here = await startApp(t, WITH_SERVICE)
    const there = await startApp(t, WITH_SERVICE, { beside: here })
    await untilListening([here, there])
    const [person, verifier] = [await register(here), await follow(t, there)]
    for (let round = 0; round < 5; round += 1) {
      const { replica, service } = await reach(here, there, verifier, person)
      t.ok(replica < 1000, `replica after ${Math.round(replica)} ms`)
      t.ok(service < 1000, `service after ${Math.round(service)} ms`)
    }
    await here.app.database.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name = 'keyturn listener' AND datname = current_database()`,
    )
    t.ok((await reach(here, there, verifier, person)).service < 5000, 'while nobody listens')
    await untilListening([here, there])
    t.ok((await reach(here, there, verifier, person)).service < 1000)
  },
)

t.test('where a replica can only ask, a service knows within five seconds', async (t) => {
  const [here, there] = await startBehind(t, { toClient: withOtherBackend }, WITH_SERVICE)
  const [person, verifier] = [await register(here), await follow(t, there)]
  for (let round = 0; round < 3; round += 1) {
    const { replica, service } = await reach(here, there, verifier, person)
    t.ok(replica < 5000, `replica after ${Math.round(replica)} ms`)
    t.ok(service < 5000, `service after ${Math.round(service)} ms`)
  }
})

t.test('a service keeps what it knows while Postgres is restarted, and goes on to be told', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'restart-'))
  const before = await startEmbeddedPostgres({ dataDir, durable: false })
  t.teardown(() => before.stop())
  await migrate(before.url)
  const gate = await gateTo(t, before.url)
  const here = await startApp(t, WITH_SERVICE, { databaseUrl: gate.url })
  const there = await startApp(t, WITH_SERVICE, { databaseUrl: gate.url })
  await untilListening([here, there])
  const [person, verifier] = [await register(here), await follow(t, there)]
  const [out, living] = [await signIn(here, person), await signIn(here, person)]
  await post(`${here.url}/logout`, {}, { headers: bearer(out.access) })
  await untilVerdict(verifier, out.access, 'session_revoked')

  await before.stop()
  await untilListening([here, there], 0)
  t.equal(await verifier.verdictOf(out.access), 'session_revoked')
  t.equal(await verifier.verdictOf(living.access), 'good')
  const after = await startEmbeddedPostgres({ dataDir, durable: false })
  t.teardown(() => after.stop())
  gate.leadTo(after.url)
  await untilReady(here.url)
  t.ok((await reach(here, there, verifier, person)).service < 5000)
  await untilListening([here, there])
  t.ok((await reach(here, there, verifier, person)).service < 1000)
})
