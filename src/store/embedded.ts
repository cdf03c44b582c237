import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import type { Account } from './embedded-account.ts'
import { accountFor, explainRefusal, privateDirectory } from './embedded-account.ts'
import { postgresBinaries } from './embedded-binaries.ts'
import { createCluster, SUPERUSER } from './embedded-cluster.ts'
import type { Guarded } from './embedded-guard.ts'
import { failure, fromInside, spawnGuarded } from './embedded-guard.ts'
import { lockDataDirectory, retirePostmaster } from './embedded-lock.ts'

const DATABASE = 'keyturn'

export type EmbeddedOptions = {
  /** Where the cluster lives, in a folder `postgres` of its own; made when missing. */
  dataDir: string
  /** false gives up fsync, for tests: quicker, and a power cut may cost the whole cluster. */
  durable?: boolean
  /** Extra `-c` settings; they win over the defaults here, but for the socket's directory and port. */
  settings?: Record<string, string>
  /** Postgres' own log, line by line; quiet when left out. */
  log?: (line: string) => void
  /** Postgres ended although nobody called `stop()`; it is not started again. */
  onUnexpectedExit?: (error: Error) => void
}

export type EmbeddedPostgres = {
  /** Connection URL of the database `keyturn`, as a superuser, over a private unix socket. */
  url: string
  /** Fast shutdown (open connections are cut); resolves when every process has gone. May be called twice. */
  stop(): Promise<void>
}

/**
 * Starts the real PostgreSQL that npm installed with the development dependencies, for development, tests and
 * benches. It never listens on TCP, runs as an unprivileged account when we are root, and cannot outlive this
 * process, however this process ends. It does not keep the event loop alive.
 *
 * @throws Error for a person, without a stack worth reading: directory in use, no binaries, no permission, or
 *   the end of Postgres' own log.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { durable = true, log, onUnexpectedExit } = options
  const dataDir = resolve(options.dataDir)
  const cluster = join(dataDir, 'postgres')
  const account = await explainRefusal(dataDir, async () => {
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    return accountFor(cluster)
  })
  const bin = await postgresBinaries(account)
  const unlock = await explainRefusal(dataDir, () => lockDataDirectory(dataDir))
  try {
    if (!existsSync(cluster)) await createCluster({ dataDir, cluster, bin, account, durable })
    const { guarded, url, sockets } = await startServer(
      cluster,
      bin,
      account,
      {
        ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
        ...options.settings,
      },
      log,
    )
    let stopping: Promise<void> | undefined
    guarded.ended.then((reason) => {
      if (!stopping) onUnexpectedExit?.(failure(`PostgreSQL ended unexpectedly (${reason})`, guarded))
    })
    const stop = async (): Promise<void> => {
      await guarded.end()
      await rm(sockets, { recursive: true, force: true })
      await unlock()
    }
    return { url, stop: () => (stopping ??= stop()) }
  } catch (error) {
    await unlock()
    throw error
  }
}

async function startServer(
  cluster: string,
  bin: string,
  account: Account | undefined,
  settings: Record<string, string>,
  log: EmbeddedOptions['log'],
): Promise<{ guarded: Guarded; url: string; sockets: string }> {
  const patience = AbortSignal.timeout(10_000)
  for (;;) {
    await retirePostmaster(cluster)
    const sockets = await privateDirectory(account, '.s.PGSQL.5432')
    const wanted = { ...DEFAULTS, ...settings, port: '5432', unix_socket_directories: sockets }
    const guarded = spawnGuarded({
      command: [
        join(bin, 'postgres'),
        ...['-D', fromInside(cluster)],
        ...Object.entries(wanted).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      cwd: cluster,
      account,
      cleanUp: sockets,
      log,
    })
    try {
      const url = socketUrl(sockets, DATABASE)
      await whenReady(guarded, url, sockets)
      guarded.unref()
      return { guarded, url, sockets }
    } catch (error) {
      await guarded.end()
      await rm(sockets, { recursive: true, force: true })
      // The children of a killed postmaster need a moment to notice and to let go of its shared memory.
      if (patience.aborted || !/still in use|Is another postmaster/.test(guarded.tail())) throw error
      await pause(20)
    }
  }
}

const DEFAULTS: Record<string, string> = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  // Visible in `ps`, so that a person who finds the processes knows whose they are.
  cluster_name: 'keyturn',
  max_connections: '200',
  shared_buffers: '64MB',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  // Errors go to the client that made them; their text here would put people's addresses into our log.
  log_min_messages: 'log',
}

/** Says port and sslmode aloud, because pg would otherwise take them from PGPORT and PGSSLMODE. */
function socketUrl(sockets: string, database: string): string {
  return `postgresql:///${database}?host=${encodeURIComponent(sockets)}&port=5432&user=${SUPERUSER}&sslmode=disable`
}

/** Waits, as long as crash recovery may need, and makes the database on the first start. */
async function whenReady(guarded: Guarded, url: string, sockets: string): Promise<void> {
  const patience = AbortSignal.timeout(120_000)
  let reason: string | undefined
  guarded.ended.then((ending) => {
    reason = ending
  })
  for (;;) {
    const code = await query(url, 'select 1')
    if (code === undefined) return
    if (code === '3D000') await query(socketUrl(sockets, 'postgres'), `create database ${DATABASE}`)
    if (reason !== undefined) throw failure(`PostgreSQL did not start (${reason})`, guarded)
    if (patience.aborted) throw failure('PostgreSQL did not become ready within 2 minutes', guarded)
    await pause(5)
  }
}

/** undefined when it went well, otherwise the SQLSTATE or the system's error code. */
async function query(url: string, sql: string): Promise<string | undefined> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query(sql)
    return undefined
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  } finally {
    await client.end().catch(() => {})
  }
}
