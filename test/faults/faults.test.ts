import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { migrate } from '../../src/store/migrate.ts'
import { startApp } from '../helpers/app.ts'
import { gateTo } from '../helpers/gate.ts'
import { until } from '../helpers/until.ts'
import { chanceOf } from '../torture/chance.ts'
import type { Asked } from './ask.ts'
import { createPrimary } from './cluster.ts'
import { hundredFaults } from './hundred.ts'
import { checkLedger } from './ledger.ts'
import { createClient } from './person.ts'
import { createTraffic } from './traffic.ts'

const SEED = 1
const POOL_MAX = 5
const MIB = 2 ** 20

t.test('the short form of `npm run faults`: one process, one database of its own', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'keyturn-faults-'))
  await chmod(home, 0o711)
  t.teardown(() => rm(home, { recursive: true, force: true, maxRetries: 5 }))
  const cluster = await createPrimary(home)
  t.teardown(() => cluster.stop())
  await migrate(cluster.url)
  /** What a replica reads of the timeline, once the database is to look like another one. */
  let timeline: string | undefined
  const gate = await gateTo(t, cluster.url, {
    toClient(bytes) {
      const at = timeline === undefined ? -1 : bytes.indexOf('00000001')
      if (timeline !== undefined && at !== -1) bytes.write(timeline, at)
      return bytes
    },
  })
  const chance = chanceOf(SEED)
  const { app, url } = await startApp(
    t,
    {
      EMAIL_VERIFICATION: 'off',
      DATABASE_POOL_MAX: String(POOL_MAX),
    },
    { databaseUrl: gate.url },
  )
  const { pool } = app.database
  const asked: Asked[] = []
  const client = createClient(url, (one) => asked.push(one))
  const traffic = createTraffic({ client, chance, requestsPerSecond: 40 })
  await traffic.populate(10)

  /** The fault under load, and what must be true of it afterwards. */
  async function survive(happen: () => Promise<unknown>): Promise<readonly Asked[]> {
    asked.splice(0)
    traffic.start('with hashes')
    await pause(200)
    await happen()
    const isReady = async () => (await fetch(`${url}/health/ready`)).status === 200
    await until('the service is ready again', isReady)
    await traffic.stop()
    const seen = asked.splice(0)
    t.same(await checkLedger({ client, replicas: () => [url] }, traffic.people), { writes: [], sessions: [] })
    const odd = seen.filter(({ status }) => ![200, 201, 503].includes(status))
    t.same(
      odd.map(({ kind, status, code }) => `${kind} ${status} ${code}`),
      [],
    )
    t.same(
      seen.filter(({ kind, status }) => kind === 'check' && status !== 200),
      [],
      'status checks go on',
    )
    t.ok(seen.every(({ status, hasRetryAfter }) => status !== 503 || hasRetryAfter))
    await until(
      'every connection is back',
      () => pool.idleCount === pool.totalCount && pool.waitingCount === 0,
    )
    return seen
  }

  await t.test('kill -9 of Postgres: nothing acknowledged is lost, and it is used again', async (t) => {
    const seen = await survive(async () => {
      await cluster.kill()
      await pause(500)
      await cluster.start()
    })
    t.ok(seen.some(({ status }) => status === 503))
  })

  await t.test('a network that is cut: 503 in time, and whoever waits is not forgotten', async (t) => {
    const seen = await survive(async () => {
      gate.hang()
      await pause(2700)
      gate.open()
    })
    t.ok(seen.some(({ status }) => status === 503))
  })

  await t.test('connections cut at COMMIT: what is unknown is asked again, and nothing forks', (t) => {
    let cuts = 0
    gate.cutAt((sent) => {
      if (!sent.includes('COMMIT\0') && !sent.includes('\0rotate\0')) return undefined
      cuts += 1
      return cuts % 2 === 0 ? 'before' : 'after'
    })
    return survive(async () => {
      await until('a dozen are cut', () => cuts >= 12)
      gate.cutAt(undefined)
    }).then(() => t.ok(cuts >= 12))
  })

  await t.test('a database that takes two seconds for each statement: 503 in three', async (t) => {
    const [person] = traffic.people
    if (person === undefined) throw new Error('there is nobody')
    gate.delay(1000)
    const began = performance.now()
    const { status, hasRetryAfter, endedAt } = await client.logIn(person, person.passwords[0] ?? '')
    gate.delay(0)
    t.same({ status, hasRetryAfter }, { status: 503, hasRetryAfter: true })
    t.ok(endedAt - began < 3500, `after ${Math.round(endedAt - began)} ms`)
  })

  await t.test(
    'a standby without the last commits is told the revocations that replicas remember',
    async (t) => {
      const [person] = traffic.people
      if (person?.session === undefined) throw new Error('there is nobody')
      const { access } = person.session
      await until('it is settled', async () => (await client.logOut(person)).status === 200)
      await cluster.query('CREATE TABLE ended AS SELECT id FROM sessions WHERE revoked_at IS NOT NULL')
      const alive = 'SELECT count(*)::int AS n FROM sessions JOIN ended USING (id) WHERE revoked_at IS NULL'
      const forget = 'UPDATE sessions SET revoked_at = NULL, revoked_reason = NULL'
      const areWrittenBack = async () => (await cluster.query(alive))[0]?.['n'] === 0
      await cluster.query(forget)
      timeline = '00000002'
      gate.reset()
      await until('they are written back', areWrittenBack)
      const check = await fetch(`${url}/check-auth-status`, {
        headers: { authorization: `Bearer ${access}` },
      })
      t.equal(check.status, 401)
      person.ended.splice(0)

      await t.test('so is a backup, which has the timeline of what it was copied from', async () => {
        gate.shut()
        await cluster.query(forget)
        await cluster.stop()
        await cluster.start()
        gate.open()
        await until('they are written back once more', areWrittenBack)
      })
    },
  )

  await t.test('an old primary that comes back is not used: 503, until the new one answers', async (t) => {
    const [person] = traffic.people.slice(1)
    if (person === undefined) throw new Error('there is nobody')
    const isReady = async () => (await fetch(`${url}/health/ready`)).status === 200
    await until('the new one is used', isReady)
    timeline = '00000001'
    gate.reset()
    const { status, hasRetryAfter } = await client.logIn(person, person.passwords[0] ?? '')
    t.same({ status, hasRetryAfter }, { status: 503, hasRetryAfter: true })
    t.equal(await isReady(), false)
    timeline = '00000002'
    await until('the new one is used again', isReady)
  })

  await t.test('what was opened before a standby took over is closed when that is met', async (t) => {
    const [earlier, other] = [await pool.connect(), await pool.connect()]
    const { rows: before } = await earlier.query('SELECT pg_backend_pid() AS pid')
    timeline = '00000003'
    other.release(true)
    // All there are beside it; at least the one in place of the other is new, and meets the standby.
    const rest = await Promise.all(Array.from({ length: POOL_MAX - 1 }, () => pool.connect()))
    earlier.release()
    const pids = await pool.query('SELECT pg_backend_pid() AS pid')
    t.not(pids.rows[0].pid, before[0].pid)
    for (const client of rest) client.release(true)
  })

  await t.test('after a hundred faults pool, memory and event loop are as at the start', async (t) => {
    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    const heap = async () => {
      await pause(100)
      collect()
      return process.memoryUsage().heapUsed
    }
    const query = (sql: string) => cluster.query(sql)
    // What a process keeps of its first faults, compiled code above all, it keeps once.
    await survive(() => hundredFaults(gate, chance, query, { count: 20, longestMs: 20 }))
    const before = await heap()
    await survive(() => hundredFaults(gate, chance, query, { longestMs: 20 }))
    const grown = (await heap()) - before
    t.ok(grown < 5 * MIB, `the heap has grown by ${(grown / MIB).toFixed(1)} MiB`)
    t.ok(pool.totalCount <= POOL_MAX)
    const lag = monitorEventLoopDelay({ resolution: 5 })
    lag.enable()
    await pause(300)
    lag.disable()
    t.ok(lag.percentile(50) < 50e6, `the event loop is ${lag.percentile(50) / 1e6} ms late`)
  })
})
