import { setTimeout as pause } from 'node:timers/promises'
import { ask } from './ask.ts'
import type { Fault } from './fault.ts'
import { freePort } from './free-port.ts'
import { startReplica } from './replica-process.ts'

/** As in production, where a replica that is told to end waits for the balancer to see it. */
const PRODUCTION = { NODE_ENV: 'production', PUBLIC_URL: 'https://keyturn.test', BCRYPT_COST: '10' }
const MIGRATIONS =
  'SELECT count(*)::int AS n, count(DISTINCT hash)::int AS distinct FROM drizzle.__drizzle_migrations'

let started: readonly { readonly status: number }[] = []
let database: string

/** What happens to the replicas themselves. */
export const replicaFaults: readonly Fault[] = [
  {
    name: 'SIGKILL of a replica',
    async happen(world) {
      const [victim] = world.replicas
      if (victim === undefined) throw new Error('there is no replica')
      await victim.end('SIGKILL')
      await pause(2000)
      await world.killAndStart(0)
    },
    promise: { answerWithinMs: 3000, recoverWithinMs: 2000, mayLeaveUnanswered: true },
  },
  {
    name: 'SIGTERM of three replicas in turn (rolling restart)',
    prepare: (world) => world.startReplicas(PRODUCTION),
    async happen(world) {
      for (const index of world.replicas.keys()) {
        const exit = await world.replicas[index]?.end('SIGTERM')
        if (exit !== 0) throw new Error(`a replica that was told to end has ended with ${exit}`)
        await world.killAndStart(index, PRODUCTION)
      }
    },
    after: (world) => world.startReplicas(),
    isWithoutHashes: true,
    promise: { answerWithinMs: 3000, recoverWithinMs: 0, refusesNobody: true },
  },
  {
    name: 'Four replicas start at once on an empty database',
    async happen({ cluster, settings }) {
      database = `empty_${await freePort()}`
      await cluster.query(`CREATE DATABASE ${database}`)
      const url = new URL(cluster.url)
      url.pathname = `/${database}`
      const four = await Promise.all(
        Array.from({ length: 4 }, async () =>
          startReplica(await freePort(), { ...settings, DATABASE_URL: url.href }),
        ),
      )
      try {
        started = await Promise.all(
          four.map((replica) => ask(replica.url, 'ledger', { path: '/health/ready', address: '10.9.9.9' })),
        )
      } finally {
        await Promise.all(four.map((replica) => replica.end('SIGTERM')))
      }
    },
    async check(world) {
      const [applied] = await world.cluster.query(MIGRATIONS, database)
      const [wanted] = await world.cluster.query(MIGRATIONS)
      const notReady = started.filter(({ status }) => status !== 200)
      return [
        ...notReady.map(({ status }) => `one of the four is not ready: ${status}`),
        ...(JSON.stringify(applied) === JSON.stringify(wanted)
          ? []
          : ['the migrations were not applied once']),
      ]
    },
    isWithoutHashes: true,
    promise: { answerWithinMs: 3000, recoverWithinMs: 0, refusesNobody: true },
  },
]
