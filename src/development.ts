import { randomBytes } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { RunnableConfig } from './app.ts'
import type { Config } from './config.ts'
import { SecretKey } from './config.ts'
import { putDemoAccount } from './store/demo-account.ts'
import type { EmbeddedPostgres } from './store/embedded.ts'

/** What the configuration leaves open outside production, filled in, and how to give it back. */
export interface Completed {
  readonly config: RunnableConfig
  /** Of the embedded database; `undefined` where there is none. */
  readonly demo: DemoUser | undefined
  stop(): Promise<void>
}

export interface DemoUser {
  readonly username: string
  readonly password: string
}

/** What is made once and kept in DATA_DIR; the secrets as base64url. */
interface Kept {
  readonly jwtSecret: string
  readonly serverSecret: string
  readonly demoPassword: string
}

/**
 * Makes up for what is not set: a database of one's own, keys, a user to try it with. In production nothing is
 * ever missing, the configuration has seen to that.
 * @throws Error that names the setting to change, when DATA_DIR cannot be used
 */
export async function complete(config: Config): Promise<Completed> {
  const { databaseUrl, serverSecrets } = config
  // A private key signs, and then no shared secret has to exist.
  const jwtSecrets = config.jwtSecrets ?? (config.jwtAlgorithm === 'HS256' ? undefined : [])
  if (databaseUrl !== undefined && jwtSecrets !== undefined && serverSecrets !== undefined) {
    return {
      config: { ...config, databaseUrl, jwtSecrets, serverSecrets },
      demo: undefined,
      stop: async () => undefined,
    }
  }
  const kept = await keepInDataDir(config.dataDir)
  const embedded = databaseUrl === undefined ? await startEmbedded(config.dataDir) : undefined
  return {
    config: {
      ...config,
      databaseUrl: databaseUrl ?? embedded?.url ?? '',
      jwtSecrets: jwtSecrets ?? [new SecretKey('development', Buffer.from(kept.jwtSecret, 'base64url'))],
      serverSecrets: serverSecrets ?? [
        new SecretKey('development', Buffer.from(kept.serverSecret, 'base64url')),
      ],
    },
    demo: embedded && { username: 'demo', password: kept.demoPassword },
    stop: async () => embedded?.stop(),
  }
}

/** Sees to it that the demo user can sign in with the password in DATA_DIR, however the database got here. */
export async function putDemoUser(app: FastifyInstance, { username, password }: DemoUser): Promise<void> {
  const passwordHash = await app.passwords.hash(password)
  await putDemoAccount(app.database, { username, email: 'demo@example.com', passwordHash })
}

async function startEmbedded(dataDir: string): Promise<EmbeddedPostgres> {
  // Loaded only here: in production neither this file's work nor the binaries are ever needed.
  const { startEmbeddedPostgres } = await import('./store/embedded.ts')
  return startEmbeddedPostgres({
    dataDir,
    onUnexpectedExit: (error) => {
      process.stderr.write(
        `The embedded PostgreSQL has ended by itself. Start Keyturn again. ${error.message}\n`,
      )
    },
  })
}

async function keepInDataDir(dataDir: string): Promise<Kept> {
  const path = join(dataDir, 'development.json')
  await mkdir(dataDir, { recursive: true })
  return (await readKept(path)) ?? (await makeKept(path))
}

async function readKept(path: string): Promise<Kept | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new Error(
      `${path} cannot be read. Remove it to have new keys made; every session made here ends then.`,
    )
  }
}

/** Whole or not at all, and of two processes that make it at once both use the one that was first. */
async function makeKept(path: string): Promise<Kept> {
  const kept: Kept = {
    jwtSecret: randomBytes(32).toString('base64url'),
    serverSecret: randomBytes(32).toString('base64url'),
    demoPassword: randomBytes(12).toString('base64url'),
  }
  const draft = `${path}.${process.pid}`
  await writeFile(draft, JSON.stringify(kept, null, 2), { mode: 0o600 })
  try {
    await link(draft, path)
    return kept
  } catch (error) {
    const other = await readKept(path)
    if (other === undefined) throw error
    return other
  } finally {
    await rm(draft, { force: true })
  }
}
