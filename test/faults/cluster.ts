import { execFile } from 'node:child_process'
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import type { Account } from '../../src/store/embedded-account.ts'
import { accountFor } from '../../src/store/embedded-account.ts'
import { postgresBinaries } from '../../src/store/embedded-binaries.ts'
import { createCluster, SUPERUSER } from '../../src/store/embedded-cluster.ts'
import type { Guarded } from '../../src/store/embedded-guard.ts'
import { fromInside, spawnGuarded } from '../../src/store/embedded-guard.ts'
import { freePort } from './free-port.ts'

const DATABASE = 'keyturn'

/** A PostgreSQL with a TCP port of its own, to be restarted, killed, stopped and copied. It cannot outlive us. */
export interface Cluster {
  /** Of its database; the port stays the same through restarts. */
  readonly url: string
  readonly port: number
  /** Resolves when it takes statements. */
  start(): Promise<void>
  /** Fast shutdown: connections are cut, what is under way is rolled back. */
  stop(): Promise<void>
  /** SIGKILL to all of its processes at once, as a machine that loses its power; what the disk has is kept. */
  kill(): Promise<void>
  /** SIGSTOP to all of its processes: connections stay, nobody answers. */
  freeze(): Promise<void>
  thaw(): Promise<void>
  /** By a connection of its own, to another database where one is named. */
  query(sql: string, otherDatabase?: string): Promise<Record<string, unknown>[]>
  /** A standby that follows this cluster, which is stopped for the copy and started again. */
  copyAsStandby(name: string, primaryPort: number): Promise<Cluster>
  /** Copies its files, for which it is stopped and started again. */
  backUp(): Promise<void>
  /** Stops it, puts the copy in the place of its files, and starts that. */
  restore(): Promise<void>
}

interface Made {
  readonly home: string
  readonly name: string
  readonly bin: string
  readonly account: Account | undefined
}

/** A new cluster below `home`, running, with an empty database. */
export async function createPrimary(home: string): Promise<Cluster> {
  const cluster = join(home, 'primary')
  const account = await accountFor(cluster)
  const bin = await postgresBinaries(account)
  await createCluster({ dataDir: home, cluster, bin, account, durable: false })
  const primary = await clusterOf({ home, name: 'primary', bin, account }, 'postgres')
  await primary.start()
  await primary.query(`CREATE DATABASE ${DATABASE}`)
  await primary.stop()
  const running = await clusterOf({ home, name: 'primary', bin, account }, DATABASE)
  await running.start()
  return running
}

async function clusterOf(made: Made, database: string): Promise<Cluster> {
  const { home, name, bin, account } = made
  const directory = join(home, name)
  const backup = join(home, `${name}-backup`)
  const port = await freePort()
  const url = `postgresql://${SUPERUSER}@127.0.0.1:${port}/${database}?sslmode=disable`
  let server: Guarded | undefined

  async function query(sql: string, otherDatabase = database): Promise<Record<string, unknown>[]> {
    const target = new URL(url)
    target.pathname = `/${otherDatabase}`
    const client = new pg.Client({
      connectionString: target.href,
      application_name: 'faults',
      connectionTimeoutMillis: 5000,
    })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return (await client.query(sql)).rows
    } finally {
      await client.end()
    }
  }

  async function start(): Promise<void> {
    const patience = AbortSignal.timeout(60_000)
    for (;;) {
      const settings = { ...SETTINGS, port: String(port) }
      const started = spawnGuarded({
        command: [
          join(bin, 'postgres'),
          ...['-D', fromInside(directory)],
          ...Object.entries(settings).flatMap(([setting, value]) => ['-c', `${setting}=${value}`]),
        ],
        cwd: directory,
        account,
      })
      server = started
      let ended: string | undefined
      started.ended.then((reason) => {
        ended = reason
      })
      while (ended === undefined) {
        if (await query('SELECT 1').catch(() => undefined)) return
        if (patience.aborted) throw new Error(`PostgreSQL does not start\n${started.tail()}`)
        await pause(20)
      }
      // Those of a postmaster that was killed let go of its shared memory a moment later.
      if (patience.aborted || !/still in use|Is another postmaster/.test(started.tail()))
        throw new Error(`PostgreSQL did not start (${ended})\n${started.tail()}`)
      await pause(50)
    }
  }

  async function signal(name: NodeJS.Signals): Promise<void> {
    const [line = ''] = (await readFile(join(directory, 'postmaster.pid'), 'utf8')).split('\n')
    const postmaster = Number(line)
    const send = (pid: number) => {
      try {
        process.kill(pid, name)
      } catch {
        // It has ended between the look and the signal.
      }
    }
    // Stopped before the look, because whoever it starts meanwhile would be missed.
    if (name !== 'SIGCONT') process.kill(postmaster, 'SIGSTOP')
    const family = [...(await childrenOf(postmaster)), postmaster]
    for (const pid of family) send(pid)
  }

  return {
    url,
    port,
    start,
    query,
    async stop() {
      await server?.end()
    },
    async kill() {
      await signal('SIGKILL')
      await server?.ended
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    async copyAsStandby(standbyName, primaryPort) {
      await server?.end()
      const copy = join(home, standbyName)
      await rm(copy, { recursive: true, force: true })
      await promisify(execFile)('cp', ['-a', directory, copy])
      const conninfo = `host=127.0.0.1 port=${primaryPort} user=${SUPERUSER} application_name=standby`
      const own = await readFile(join(copy, 'postgresql.auto.conf'), 'utf8')
      const lines = own.split('\n').filter((line) => !line.startsWith('synchronous_standby_names'))
      await writeFile(
        join(copy, 'postgresql.auto.conf'),
        [...lines, `primary_conninfo = '${conninfo}'`, ''].join('\n'),
      )
      await writeFile(join(copy, 'standby.signal'), '', { mode: 0o644 })
      await start()
      const standby = await clusterOf({ ...made, name: standbyName }, database)
      await standby.start()
      return standby
    },
    async backUp() {
      await server?.end()
      await rm(backup, { recursive: true, force: true })
      await promisify(execFile)('cp', ['-a', directory, backup])
      await start()
    },
    async restore() {
      await server?.end()
      await rm(directory, { recursive: true, force: true })
      await rename(backup, directory)
      await start()
    },
  }
}

const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  cluster_name: 'keyturn-faults',
  max_connections: '100',
  shared_buffers: '64MB',
  wal_keep_size: '256MB',
  timezone: 'UTC',
  log_timezone: 'UTC',
}

/** By /proc where there is one: many an image has no `ps`. */
async function childrenOf(parent: number): Promise<number[]> {
  const ids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))
  if (ids.length > 0) {
    const found = await Promise.all(
      ids.map(async (id) => ((await parentOf(id)) === parent ? [Number(id)] : [])),
    )
    return found.flat()
  }
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'ppid=,pid='])
  return stdout.split('\n').flatMap((line) => {
    const [ppid, pid] = line.trim().split(/\s+/).map(Number)
    return ppid === parent && pid !== undefined ? [pid] : []
  })
}

async function parentOf(id: string): Promise<number> {
  const stat = await readFile(`/proc/${id}/stat`, 'utf8').catch(() => '')
  // The name before the bracket may itself hold blanks and brackets.
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
}
