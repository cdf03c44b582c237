import { setTimeout as pause } from 'node:timers/promises'
import type { Gate } from '../helpers/gate.ts'
import { gateTo } from '../helpers/gate.ts'
import { until } from '../helpers/until.ts'
import type { Cluster } from './cluster.ts'
import type { Fault } from './fault.ts'
import type { World } from './world.ts'

/** How long somebody who watches the primary takes to see that it is gone. */
const NOTICED_AFTER_MS = 500
/** What an asynchronous standby has not received yet when the primary dies. */
const LAG_MS = 1500

let standby: Cluster
let replication: Gate

/** The primary dies for good, its standby is promoted, and the address of the database leads there. */
export const failovers: readonly Fault[] = [
  {
    name: 'Primary killed, synchronous standby promoted',
    prepare: followSynchronously,
    happen: failOver,
    promise: { answerWithinMs: 3000, recoverWithinMs: 2000 },
  },
  {
    name: `Primary killed, asynchronous standby promoted, ${LAG_MS / 1000} s behind`,
    async prepare(world) {
      await follow(world)
      await until('the standby follows', () => isFollowed(world, 'async'))
    },
    async happen(world) {
      replication.hang()
      await pause(LAG_MS)
      await failOver(world)
    },
    promise: { answerWithinMs: 3000, recoverWithinMs: 2000, mayLoseWrites: true },
  },
]

let copies = 0

async function follow(world: World): Promise<void> {
  replication = await gateTo({ teardown: world.teardown }, world.cluster.url)
  copies += 1
  standby = await world.cluster.copyAsStandby(`standby${copies}`, Number(new URL(replication.url).port))
  const { teardown } = world
  const made = standby
  teardown(() => made.stop())
  await until('all replicas have come back', () => world.balancer.ready === world.replicas.length)
}

/** A commit is acknowledged when the standby has it too. */
export async function followSynchronously(world: World): Promise<void> {
  await follow(world)
  await world.cluster.query(`ALTER SYSTEM SET synchronous_standby_names = 'standby'`)
  await world.cluster.query('SELECT pg_reload_conf()')
  await until('the standby is synchronous', () => isFollowed(world, 'sync'))
}

async function isFollowed({ cluster }: World, state: 'sync' | 'async'): Promise<boolean> {
  const rows = await cluster.query('SELECT state, sync_state FROM pg_stat_replication')
  return rows.some((row) => row['state'] === 'streaming' && row['sync_state'] === state)
}

export async function failOver(world: World): Promise<void> {
  await world.cluster.kill()
  replication.shut()
  await pause(NOTICED_AFTER_MS)
  await standby.query('SELECT pg_promote()')
  world.gate.leadTo(standby.url)
  world.cluster = standby
}
