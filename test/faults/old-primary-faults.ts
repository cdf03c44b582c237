import { setTimeout as pause } from 'node:timers/promises'
import { until } from '../helpers/until.ts'
import type { Cluster } from './cluster.ts'
import { failOver, followSynchronously } from './failover.ts'
import type { Fault } from './fault.ts'
import type { World } from './world.ts'

const BESIDE_MS = 2000
/** All that the mix of clients writes. */
const WRITTEN = `
  SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM sessions) AS sessions,
    (SELECT sum(generation) FROM sessions) AS rotations, (SELECT count(*) FROM events) AS events,
    (SELECT count(*) FROM sessions WHERE revoked_at IS NOT NULL) AS ended, (SELECT count(*) FROM outbox) AS letters`

let old: Cluster
let before: string
let refusedOnlyByOld = 0

/** Split brain: two databases that both take writes, and an address that leads now to one, now to the other. */
export const oldPrimaryFaults: readonly Fault[] = [
  {
    name: 'Old primary comes back beside the new one',
    prepare: followSynchronously,
    async happen(world) {
      const { gate, asked } = world
      old = world.cluster
      const made = old
      world.teardown(() => made.stop())
      await failOver(world)
      await until('the new primary is used', () => isEveryReplicaReady(world))
      await old.start()
      await old.query('ALTER SYSTEM RESET synchronous_standby_names')
      await old.query('SELECT pg_reload_conf()')
      await old.query('CREATE TABLE it_takes_writes ()')
      before = JSON.stringify(await old.query(WRITTEN))
      // First only whoever opens a connection is led there, then everybody.
      gate.leadTo(old.url)
      await pause(BESIDE_MS)
      const cutAt = performance.now()
      gate.reset()
      await pause(BESIDE_MS)
      refusedOnlyByOld = asked.filter(({ status, startedAt }) => status === 503 && startedAt > cutAt).length
      gate.leadTo(world.cluster.url)
      gate.reset()
    },
    async check() {
      const after = JSON.stringify(await old.query(WRITTEN))
      return [
        ...(after === before ? [] : [`the old primary was written to: ${before}, then ${after}`]),
        ...(refusedOnlyByOld > 0 ? [] : ['nobody was refused while there was only the old primary']),
      ]
    },
    after: () => old.stop(),
    promise: { answerWithinMs: 3000, recoverWithinMs: 2000 },
  },
]

function isEveryReplicaReady({ balancer, replicas }: World): boolean {
  return balancer.ready === replicas.length
}
