import type { ChildProcess } from 'node:child_process'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import t from 'tap'
import { startEmbeddedPostgres } from '../../src/store/embedded.ts'
import { lockDataDirectory } from '../../src/store/embedded-lock.ts'
import { plain } from '../../tools/plain.mjs'
import type { Teardown } from '../helpers/postgres.ts'
import { until } from '../helpers/until.ts'

// One directory for the whole file, because initdb is what takes the time; tools/test.mjs removes it.
const dataDir = await mkdtemp(join(tmpdir(), 'embedded-'))
const cluster = join(dataDir, 'postgres')

t.test(
  'the first start survives a half-made initdb, and makes a UTF-8 database whatever LANG says',
  async (t) => {
    await mkdir(join(dataDir, 'postgres.init-halfmade', 'base'), { recursive: true })
    const postgres = await startEmbeddedPostgres({ dataDir, durable: false })
    t.teardown(() => postgres.stop())
    const [row] = await query(
      postgres.url,
      `select current_database() as name, current_setting('server_encoding') as encoding, lower('ÄÉ') as lower`,
    )
    t.match(row, { name: 'keyturn', encoding: 'UTF8', lower: 'äé' })
    t.strictSame(await readdir(dataDir), ['keyturn.lock', 'postgres'])
  },
)

t.test('stop() leaves no process, no socket and no lock, and may be called twice', async (t) => {
  const postgres = await startEmbeddedPostgres({ dataDir, durable: false })
  const sockets = new URL(postgres.url).searchParams.get('host') ?? ''
  t.equal((await stat(sockets)).mode & 0o077, 0, 'the socket is for its owner alone')
  const client = new pg.Client(postgres.url)
  client.on('error', () => {})
  await client.connect()
  const pids = familyOf(await postmasterPid())
  t.ok(pids.length > 2)
  await Promise.all([postgres.stop(), postgres.stop()])
  t.strictSame(pids.filter(isAlive), [])
  await t.rejects(stat(sockets), { code: 'ENOENT' })
  t.strictSame(await readdir(dataDir), ['postgres'])
})

t.test('settings given by the caller win', async (t) => {
  const postgres = await startEmbeddedPostgres({
    dataDir,
    durable: false,
    settings: { max_connections: '7' },
  })
  t.teardown(() => postgres.stop())
  t.strictSame(await query(postgres.url, 'show max_connections'), [{ max_connections: '7' }])
})

t.test(
  'a setting that Postgres refuses comes back in its own words, and leaves the directory free',
  async (t) => {
    const settings = { max_connections: 'many' }
    await t.rejects(startEmbeddedPostgres({ dataDir, durable: false, settings }), {
      message: /did not start.*invalid value for parameter "max_connections": "many"/s,
    })
    t.strictSame(await readdir(dataDir), ['postgres'])
  },
)

t.test('a second start is refused, names the process, and does the first no harm', async (t) => {
  const first = await startEmbeddedPostgres({ dataDir, durable: false })
  t.teardown(() => first.stop())
  await t.rejects(startEmbeddedPostgres({ dataDir, durable: false }), {
    message:
      `DATA_DIR ${dataDir} is in use by the Keyturn process with pid ${process.pid}: ` +
      'stop it, or set another DATA_DIR and PORT',
  })
  t.strictSame(await query(first.url, 'select 1 as one'), [{ one: 1 }])
})

t.test('kill -9 of Node takes Postgres with it, and a start at once finds what was committed', async (t) => {
  const { child, url } = await startElsewhere(t)
  await query(url, 'create table kept (n int)')
  await query(url, 'insert into kept values (42)')
  const pids = familyOf(await postmasterPid())
  child.kill('SIGKILL')
  const postgres = await startEmbeddedPostgres({ dataDir, durable: false })
  t.teardown(() => postgres.stop())
  t.strictSame(await query(postgres.url, 'select n from kept'), [{ n: 42 }])
  t.strictSame(pids.filter(isAlive), [])
})

t.test('kill -9 of Node leaves nothing running although nobody starts again', async (t) => {
  const { child } = await startElsewhere(t)
  const pids = familyOf(await postmasterPid())
  t.ok(pids.length > 2)
  child.kill('SIGKILL')
  await until('none of them lives', () => !pids.some(isAlive))
  await t.rejects(stat(join(cluster, 'postmaster.pid')), { code: 'ENOENT' })
})

t.test('kill -9 of Node, of the guard and of the postmaster together is survived', async (t) => {
  const { child } = await startElsewhere(t)
  const postmaster = await postmasterPid()
  for (const pid of [...guardsOf(postmaster), postmaster]) process.kill(pid, 'SIGKILL')
  child.kill('SIGKILL')
  const postgres = await startEmbeddedPostgres({ dataDir, durable: false })
  t.teardown(() => postgres.stop())
  t.strictSame(await query(postgres.url, 'select 1 as one'), [{ one: 1 }])
})

t.test('a postmaster that lost its guard is ended by the next start', async (t) => {
  const { child } = await startElsewhere(t)
  const postmaster = await postmasterPid()
  for (const pid of guardsOf(postmaster)) process.kill(pid, 'SIGKILL')
  child.kill('SIGKILL')
  t.ok(isAlive(postmaster))
  const postgres = await startEmbeddedPostgres({ dataDir, durable: false })
  t.teardown(() => postgres.stop())
  t.notOk(isAlive(postmaster))
  t.not(await postmasterPid(), postmaster)
})

t.test('a stale pid file and a stale lock whose pids strangers now have are not believed', async (t) => {
  const { uid, gid } = await stat(cluster)
  const stranger = spawn('/bin/sleep', ['60'], { uid, gid, stdio: 'ignore' })
  t.teardown(() => stranger.kill())
  await once(stranger, 'spawn')
  const file = `${stranger.pid}\n/proc/self/cwd\n1700000000\n5432\n/tmp\n\n  123 456\nready\n`
  await writeFile(join(cluster, 'postmaster.pid'), file)
  await mkdir(join(dataDir, 'keyturn.lock'))
  await writeFile(join(dataDir, 'keyturn.lock', `${stranger.pid}.1.abc`), '')
  const postgres = await startEmbeddedPostgres({ dataDir, durable: false })
  t.teardown(() => postgres.stop())
  t.not(await postmasterPid(), stranger.pid)
  t.ok(isAlive(stranger.pid ?? 0), 'and the stranger was left alone')
})

t.test(
  'of many starts at once over a stale lock exactly one wins, the others are told by whom',
  async (t) => {
    await mkdir(join(dataDir, 'keyturn.lock'))
    await writeFile(join(dataDir, 'keyturn.lock', '999999999.1.abc'), '')
    const here = Promise.allSettled(
      Array.from({ length: 8 }, () => startEmbeddedPostgres({ dataDir, durable: false })),
    )
    const others = [elsewhere(t), elsewhere(t), elsewhere(t)]
    const lines = await Promise.all(others.map(firstLine))
    const outcomes = await here
    for (const outcome of outcomes) if (outcome.status === 'fulfilled') await outcome.value.stop()
    const told = [
      ...lines,
      ...outcomes.map((o) => (o.status === 'fulfilled' ? o.value.url : String(o.reason.message))),
    ]
    t.equal(told.filter((line) => line.startsWith('postgresql:')).length, 1)
    t.equal(told.filter((line) => line.includes('is in use by the Keyturn process with pid')).length, 10)
    for (const other of others) await ended(other)
  },
)

t.test('the lock of a dead process falls to exactly one of twelve, every time', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'lock-'))
  for (let round = 0; round < 25; round++) {
    await mkdir(join(dir, 'keyturn.lock'))
    await writeFile(join(dir, 'keyturn.lock', '999999999.1.abc'), '')
    const outcomes = await Promise.allSettled(Array.from({ length: 12 }, () => lockDataDirectory(dir)))
    const unlocks = outcomes.flatMap((o) => (o.status === 'fulfilled' ? [o.value] : []))
    const refusals = outcomes.flatMap((o) => (o.status === 'rejected' ? [String(o.reason.message)] : []))
    if (unlocks.length !== 1 || !refusals.every((text) => text.includes('is in use by'))) {
      t.fail(`round ${round}: ${unlocks.length} winners`, { refusals })
    }
    for (const unlock of unlocks) await unlock()
  }
  t.strictSame(await readdir(dir), [], 'and nothing is left of the others')
})

t.test('a Postgres that dies by itself is reported once, and can be started again', async (t) => {
  const reports: Error[] = []
  const onUnexpectedExit = (error: Error) => reports.push(error)
  const postgres = await startEmbeddedPostgres({ dataDir, durable: false, onUnexpectedExit })
  process.kill(await postmasterPid(), 'SIGKILL')
  await until('it is reported', () => reports.length > 0)
  await postgres.stop()
  t.match(reports, [{ message: /PostgreSQL ended unexpectedly \(exit 137\)/ }])
  const again = await startEmbeddedPostgres({ dataDir, durable: false, onUnexpectedExit })
  await again.stop()
  t.equal(reports.length, 1, 'an ordinary stop is no report')
})

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Another Node process that starts our directory and prints its URL, or why not. */
function elsewhere(t: Teardown): ChildProcess {
  const script = `
    const { startEmbeddedPostgres } = await import('${plain('src/store/embedded.ts')}')
    const attempt = startEmbeddedPostgres({ dataDir: process.argv[1], durable: false })
    console.log(await attempt.then(({ url }) => url, (error) => error.message))
    process.stdin.resume()`
  const flags = ['--input-type=module', '-e', script, dataDir]
  const child = spawn(process.execPath, flags, { cwd: ROOT, stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => ended(child))
  return child
}

async function startElsewhere(t: Teardown): Promise<{ child: ChildProcess; url: string }> {
  const child = elsewhere(t)
  const url = await firstLine(child)
  if (!url.startsWith('postgresql:')) throw new Error(url)
  return { child, url }
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error('no stdout')
  for await (const line of createInterface(child.stdout)) return line
  throw new Error('the process ended without a word')
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
  // Its Postgres ends by itself, but the directory is needed by the next test.
  await until('the cluster has ended', () => !readdirSync(cluster).includes('postmaster.pid'))
}

async function postmasterPid(): Promise<number> {
  return Number.parseInt(await readFile(join(cluster, 'postmaster.pid'), 'utf8'), 10)
}

/** The postmaster, its children, and the two shells of its guard. */
function familyOf(postmaster: number): number[] {
  return [
    postmaster,
    ...guardsOf(postmaster),
    ...processes().flatMap(({ pid, parent }) => (parent === postmaster ? [pid] : [])),
  ]
}

/** First the shell that waits for our end, then the one that waits for the postmaster's. */
function guardsOf(postmaster: number): number[] {
  const all = processes()
  const guard = all.find(({ pid }) => pid === postmaster)?.parent ?? 0
  const reader = all.find(({ pid, parent }) => parent === guard && pid !== postmaster)?.pid ?? 0
  if (guard < 2 || reader < 2) throw new Error('the postmaster has no guard')
  return [reader, guard]
}

function isAlive(pid: number): boolean {
  return processes().some((candidate) => candidate.pid === pid && !/[ZX]/.test(candidate.state))
}

function processes(): { pid: number; parent: number; state: string }[] {
  return processTable().flatMap((line) => {
    const [, pid, state, parent] = /^\s*(\d+) (?:\(.*\) )?(\S+)\s+(\d+)/s.exec(line) ?? []
    return state === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), state }]
  })
}

function processTable(): string[] {
  if (process.platform !== 'linux') {
    return execFileSync('ps', ['-axo', 'pid=,stat=,ppid='], { encoding: 'utf8' }).split('\n')
  }
  return readdirSync('/proc').flatMap((name) => {
    try {
      return /^\d+$/.test(name) ? [readFileSync(`/proc/${name}/stat`, 'utf8')] : []
    } catch {
      return []
    }
  })
}
