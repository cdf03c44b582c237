import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '../../src/store/embedded.ts'
import { migrate } from '../../src/store/migrate.ts'
import { writePlain } from '../../tools/plain.mjs'
import type { Adapter, OpenAdapter } from './adapter.ts'
import { createDeaths } from './deaths.ts'
import { inTurns } from './in-turn.ts'
import type { KeyturnReplica } from './keyturn-replica.ts'
import { startReplica } from './keyturn-replica.ts'
import { openRows } from './keyturn-rows.ts'
import { signUp, subjectOf } from './keyturn-subject.ts'
import { POLICY } from './realm.ts'

const REPLICAS = 2
const ACCOUNTS = 64
/** Hashes take a while, and Keyturn refuses to gather more than a few seconds' worth of them. */
const SIGN_INS_AT_ONCE = 16
/** Enough of them that a replica is replaced for many schedules at once, and a second's wait of one costs nothing. */
const EFFORT = { concurrency: 2000, deathShare: 0.5 }

export interface KeyturnOptions {
  readonly concurrency: number
  /** Of the schedules under way, how many are to wait for a process to die before it does. */
  readonly deathShare: number
}

/** Keyturn with a PostgreSQL of its own, which ends with it. */
export const openAdapter: OpenAdapter = async () => {
  await writePlain()
  const home = await mkdtemp(join(tmpdir(), 'keyturn-torture-'))
  // Passable, because Postgres runs as somebody else when we are root.
  await chmod(home, 0o711)
  const postgres = await startEmbeddedPostgres({ dataDir: join(home, 'data'), durable: false })
  const close = async () => {
    await postgres.stop()
    await rm(home, { recursive: true, force: true, maxRetries: 3 })
  }
  try {
    await migrate(postgres.url)
    const adapter = await openKeyturn(postgres.url, EFFORT)
    return { ...adapter, close: () => adapter.close().finally(close) }
  } catch (error) {
    await close()
    throw error
  }
}

/** Two replicas of Keyturn, each a process of its own, on a migrated and empty database. */
export async function openKeyturn(
  databaseUrl: string,
  { concurrency, deathShare }: KeyturnOptions,
): Promise<Adapter> {
  const rows = await openRows(databaseUrl)
  const replicas: KeyturnReplica[] = []
  const close = async () => {
    for (const replica of replicas) await replica.close()
    await rows.close()
  }
  try {
    for (let started = 0; started < REPLICAS; started += 1) replicas.push(await startReplica(databaseUrl))
    const [first] = replicas
    if (first === undefined) throw new Error('Keyturn has no replica')
    const accounts = Array.from({ length: Math.min(ACCOUNTS, concurrency) }, (_, n) => `torture${n}`)
    for (const account of accounts) await signUp(first, account)

    const deaths = createDeaths(replicas, deathShare)
    const inTurn = inTurns(SIGN_INS_AT_ONCE)
    let opened = 0
    return {
      name: 'Keyturn',
      transport: 'HTTP',
      lives: {
        graceSeconds: POLICY.refreshGraceSeconds,
        idleTtlSeconds: POLICY.refreshIdleTtlSeconds,
        ttlSeconds: POLICY.refreshTtlSeconds,
      },
      concurrency,
      replicas: REPLICAS,
      async open(stage) {
        const seat = opened++
        const account = accounts[seat % accounts.length] ?? ''
        return subjectOf({ stage, seat, account, replicas, rows, deaths, inTurn })
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}
