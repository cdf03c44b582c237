import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { RunnableConfig, World } from '../../src/app.ts'
import { buildApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { keySourceOf } from '../../src/key-source.ts'
import type { BcryptThreads } from '../../src/plugins/bcrypt-threads.ts'
import { startBcryptThreads } from '../../src/plugins/bcrypt-threads.ts'
import type { KeySource } from '../../src/plugins/key-reload.ts'
import type { Teardown } from './postgres.ts'
import { createTestDatabase, patiently } from './postgres.ts'
import { logOfTest } from './run-log.ts'

/** Fixed, so that replicas in different processes agree; of tests alone. */
export const TEST_SECRETS = {
  JWT_SECRETS: 'jwt1:jZgC2xfqfLESwfz7g6PQ2APe_t-torsJinw6Z9l4aCg',
  SERVER_SECRETS: 'srv1:-6o3TfsPjZkfKhQ6gncJQioixhvNYV3t8yVqX8tCOco',
}

const CHEAPEST = '4'

/** Production refuses those of tests. */
const newSecrets = () => {
  const secret = (kid: string) => `${kid}:${randomBytes(32).toString('base64url')}`
  return { JWT_SECRETS: secret('jwt1'), SERVER_SECRETS: secret('srv1') }
}

export interface TestApp {
  readonly app: FastifyInstance
  readonly url: string
  readonly config: RunnableConfig
  readonly databaseUrl: string
}

export type Settings = Readonly<Record<string, string>>

/** The configuration of a test service: cheap hashes, no guards, quiet; `settings` as in the environment. */
export function testConfig(databaseUrl: string, settings: Settings = {}): RunnableConfig {
  const config = readConfig(testEnvironment(databaseUrl, settings))
  const { jwtSecrets, serverSecrets } = config
  if (serverSecrets === undefined) throw new Error('a test service needs its secrets')
  return { ...config, databaseUrl, jwtSecrets: jwtSecrets ?? [], serverSecrets }
}

/** Secrets of tests stand in the environment unless a file is named for them; an empty setting is none. */
function testEnvironment(databaseUrl: string, settings: Settings): Settings {
  const keys = settings['NODE_ENV'] === 'production' ? newSecrets() : TEST_SECRETS
  const secrets = Object.entries(keys).filter(([name]) => settings[`${name}_FILE`] === undefined)
  return {
    NODE_ENV: 'test',
    DATABASE_URL: databaseUrl,
    PUBLIC_URL: 'http://keyturn.test',
    BCRYPT_COST: CHEAPEST,
    RATE_LIMIT: 'off',
    LOG_LEVEL: process.env['TEST_LOG'] ?? 'silent',
    ...Object.fromEntries(secrets),
    ...settings,
  }
}

interface BuildOptions {
  readonly world?: Partial<World>
  readonly keySource?: KeySource
}

/** The service, not listening yet. It logs all it can, for the end of the run: see run-log.ts. */
export function buildTestApp(
  config: RunnableConfig,
  { world, keySource }: BuildOptions = {},
): Promise<FastifyInstance> {
  const { logLevel } = config
  return buildApp(
    { ...config, logLevel: logLevel === 'silent' ? 'trace' : logLevel },
    { ...world, logTo: logOfTest(world?.logTo) },
    keySource,
  )
}

let threads: BcryptThreads | undefined

/** One set for all services of a process, for a thread costs more CPU to start than all that a test hashes. */
function sharedThreads(): BcryptThreads {
  threads ??= startBcryptThreads()
  return threads
}

export interface StartOptions {
  /** A second replica of this one, on its database. */
  readonly beside?: TestApp
  /** The database, by this very URL. */
  readonly databaseUrl?: string
  readonly host?: string
  /** By default any. */
  readonly port?: number
  /** Waits for a lock that the test holds, on a machine however busy. */
  readonly patient?: boolean
  readonly world?: Partial<World>
}

/** A service over real HTTP, on a database of its own unless `options` name one. */
export async function startApp(
  t: Teardown,
  settings: Settings = {},
  options: StartOptions = {},
): Promise<TestApp> {
  const { beside, host = '127.0.0.1', port = 0, patient = false, world } = options
  const url = options.databaseUrl ?? beside?.databaseUrl ?? (await createTestDatabase(t)).url
  const databaseUrl = patient ? patiently(url) : url
  const config = testConfig(databaseUrl, settings)
  const keySource = keySourceOf(config, testEnvironment(databaseUrl, settings))
  // Where hashes cost what they do in production, how long they wait for a thread is what the test is about.
  const isCheap = config.bcryptCost === Number(CHEAPEST)
  const app = await buildTestApp(config, {
    world: { ...(isCheap && { bcryptThreads: sharedThreads() }), ...world },
    keySource,
  })
  t.teardown(() => app.close())
  return { app, url: await app.listen({ host, port }), config, databaseUrl }
}
