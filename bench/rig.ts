import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm, symlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { startEmbeddedPostgres } from '../src/store/embedded.ts'
import type { Child } from './child.ts'
import { startChild } from './child.ts'
import type { BenchDatabase, People } from './database.ts'
import { createDatabase } from './database.ts'
import type { LoadOrder } from './generator.ts'
import type { LoadFigures } from './load.ts'
import { AUDIENCE, ISSUER, SECRETS } from './people.ts'
import { stopPgbench } from './pgbench.ts'

/** How long the bench measures. */
export interface Effort {
  readonly rounds: number
  /** Of one round of one side. */
  readonly seconds: number
}

export interface Service extends Child {
  readonly port: number
}

/** What the rows are measured with: one durable Postgres, and processes that are started when first asked for. */
export interface Rig {
  readonly effort: Effort
  /** Below it everything of this run lies, and goes with it. */
  readonly directory: string
  readonly postgresDirectory: string
  /** `dist/` of a build of this very source. */
  readonly build: URL
  database(name: string, people: People): Promise<BenchDatabase>
  /** The built service on a database, with settings as in the environment. */
  service(database: BenchDatabase, settings?: Readonly<Record<string, string>>): Promise<Service>
  /** A program of the bench; the same one each time, unless it was ended. */
  helper(name: 'generator' | 'bare' | 'bare-bcrypt' | 'rotations'): Child
  load(order: Omit<LoadOrder, 'ask'>): Promise<LoadFigures>
  stop(): Promise<void>
}

const ROOT = new URL('../', import.meta.url)
/** One cluster for all rows; checkpoints would fall on one side of a comparison and not on the other. */
const SETTINGS = { shared_buffers: '256MB', max_wal_size: '8GB', checkpoint_timeout: '1h' }

/** Builds the service and starts Postgres; the rest follows when a row needs it. */
export async function startRig(effort: Effort): Promise<Rig> {
  const directory = await mkdtemp(join(tmpdir(), 'keyturn-bench-'))
  // Passable, because Postgres runs as somebody else when we are root.
  await chmod(directory, 0o711)
  const endings: (() => Promise<unknown>)[] = [
    () => rm(directory, { recursive: true, force: true, maxRetries: 3 }),
  ]
  const stop = async () => {
    await stopPgbench()
    for (const end of endings.splice(0).reverse()) await end().catch(() => undefined)
  }
  try {
    const postgresDirectory = join(directory, 'database')
    const starting = startEmbeddedPostgres({ dataDir: postgresDirectory, settings: SETTINGS })
    endings.push(async () => (await starting).stop())
    const [build, postgres] = await Promise.all([buildInto(directory), starting])

    const helpers = new Map<string, Child>()
    const keep = <C extends Child>(child: C): C => {
      endings.push(() => child.stop())
      return child
    }
    const helper: Rig['helper'] = (name) => {
      const child = helpers.get(name) ?? keep(startChild(new URL(`${name}.ts`, import.meta.url)))
      helpers.set(name, child)
      return child
    }
    return {
      effort,
      directory,
      postgresDirectory,
      build,
      helper,
      load: (order) => helper('generator').ask({ ...order, ask: 'load' }),
      async database(name, people) {
        const database = await createDatabase(postgres.url, name, people)
        endings.push(() => database.close())
        return database
      },
      async service(database, settings = {}) {
        const port = await freePort()
        const env = { ...serviceSettings(database.url, port), ...settings }
        const preload = new URL('service-probe.js', import.meta.url)
        const child = keep(startChild(new URL('server.js', build), { env, preload }))
        await untilReady(port)
        return { ...child, port }
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** As in production, but for the guards, which would refuse the load, and what production demands besides. */
function serviceSettings(databaseUrl: string, port: number): Record<string, string> {
  const { jwt, server } = SECRETS
  return {
    NODE_ENV: 'test',
    PORT: String(port),
    DATABASE_URL: databaseUrl,
    PUBLIC_URL: ISSUER,
    JWT_AUDIENCE: AUDIENCE,
    JWT_SECRETS: `${jwt.kid}:${jwt.secret.toString('base64url')}`,
    SERVER_SECRETS: `${server.kid}:${server.secret.toString('base64url')}`,
    SMTP_URL: 'smtp://127.0.0.1:1',
    EMAIL_VERIFICATION: 'off',
    RATE_LIMIT: 'off',
    LOG_LEVEL: 'warn',
  }
}

/** Waits until the service says that it is ready. */
export async function untilReady(port: number, withinMs = 20_000): Promise<void> {
  const end = performance.now() + withinMs
  while (performance.now() < end) {
    const answer = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined)
    if (answer?.status === 200) return
    await pause(5)
  }
  throw new Error('the service did not become ready')
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** What runs in production is the build; source would bring a loader, with its memory and its time to start. */
async function buildInto(directory: string): Promise<URL> {
  const dist = join(directory, 'dist')
  const compiler = fileURLToPath(new URL('node_modules/typescript/bin/tsc', ROOT))
  // The same JavaScript as `npm run build` writes, for a tenth of the CPU: types are checked elsewhere.
  const only = ['--noCheck', '--declaration', 'false', '--declarationMap', 'false']
  const args = [
    compiler,
    '-p',
    fileURLToPath(new URL('tsconfig.build.json', ROOT)),
    '--outDir',
    dist,
    ...only,
  ]
  await promisify(execFile)(process.execPath, args)
  for (const name of ['package.json', 'migrations', 'node_modules']) {
    await symlink(fileURLToPath(new URL(name, ROOT)), join(directory, name))
  }
  return pathToFileURL(`${dist}/`)
}
