import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { until } from '../helpers/until.ts'
import type { Fault } from './fault.ts'
import type { World } from './world.ts'

const TAKEN_MS = 5000
const NO_SLOT_LEFT = '53300'
const AT_ONCE = 25
const TERMINATE = `
  SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'keyturn%'`

/** Others have taken every connection that Postgres has to give. */
export const slotFaults: readonly Fault[] = [
  {
    name: 'All connections of Postgres taken by others for 5 s (53300)',
    async happen(world) {
      const { cluster, asked } = world
      const taken: pg.Client[] = []
      try {
        const [first] = await take(cluster.url, 1)
        if (first === undefined) throw new Error('there is no connection to begin with')
        taken.push(first)
        const fill = async () => {
          for (;;) {
            const more = await take(cluster.url, AT_ONCE)
            taken.push(...more)
            if (more.length < AT_ONCE) return
          }
        }
        await until('the replicas have no connection left', async () => {
          await fill()
          const { rowCount } = await first.query(TERMINATE)
          return rowCount === 0
        })
        await until('the service was told', () => asked.some(({ status }) => status === 503))
        await pause(TAKEN_MS)
      } finally {
        await Promise.all(taken.map((client) => client.end()))
      }
    },
    check: async (world) => refusedBy(world),
    promise: { answerWithinMs: 3000, recoverWithinMs: 2000 },
  },
]

/** So many connections, or as many as there are left. */
async function take(url: string, count: number): Promise<pg.Client[]> {
  const opened = Array.from({ length: count }, async () => {
    const client = new pg.Client({ connectionString: url, application_name: 'others' })
    client.on('error', () => undefined)
    try {
      await client.connect()
      return [client]
    } catch (error) {
      if (error instanceof pg.DatabaseError && error.code === NO_SLOT_LEFT) return []
      throw error
    }
  })
  return (await Promise.all(opened)).flat()
}

/** Whether it was this that the replicas were refused for. */
async function refusedBy({ replicas }: World): Promise<string[]> {
  const counts = await Promise.all(
    replicas.map(async ({ url }) => {
      const text = await (await fetch(`${url}/metrics`)).text()
      return Number(/^keyturn_database_refused_total (\d+)$/m.exec(text)?.[1])
    }),
  )
  return counts.every((count) => count > 0) ? [] : [`connections were refused ${counts.join(', ')} times`]
}
