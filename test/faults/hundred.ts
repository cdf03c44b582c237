import { setTimeout as pause } from 'node:timers/promises'
import type { Gate } from '../helpers/gate.ts'
import type { Chance } from '../torture/chance.ts'
import type { Fault } from './fault.ts'
import type { World } from './world.ts'

const FAULTS = 100
const TERMINATE = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'keyturn%'`
/** What a heap may have grown by in passing. */
const GROWTH_MAX_BYTES = 48 * 1024 * 1024

/** Everything that can happen on the way to the database, one after the other, a moment each. */
export async function hundredFaults(
  gate: Gate,
  chance: Chance,
  query: (sql: string) => Promise<unknown>,
  { count = FAULTS, longestMs = 60 }: { readonly count?: number; readonly longestMs?: number } = {},
): Promise<void> {
  const kinds: readonly [() => unknown, ...(() => unknown)[]] = [
    () => gate.reset(),
    () => gate.halfClose(),
    () => gate.shut(),
    () => gate.hang(),
    () => gate.delay(20),
    () => gate.cutAt(() => (chance.happens(0.5) ? 'before' : 'after')),
    () => query(TERMINATE),
  ]
  for (let done = 0; done < count; done += 1) {
    await chance.pick(kinds)()
    await pause(chance.between(5, longestMs))
    gate.delay(0)
    gate.cutAt(undefined)
    gate.open()
    await pause(chance.between(5, longestMs))
  }
}

let residentBefore: readonly number[] = []

export const manyFaults: readonly Fault[] = [
  {
    name: `${FAULTS} faults in a row on the same processes`,
    async prepare(world) {
      residentBefore = await resident(world)
    },
    happen: ({ gate, chance, cluster }) => hundredFaults(gate, chance, (sql) => cluster.query(sql)),
    async check(world) {
      const after = await resident(world)
      return after.flatMap((bytes, index) => {
        const grown = bytes - (residentBefore[index] ?? 0)
        return grown > GROWTH_MAX_BYTES ? [`a replica has grown by ${Math.round(grown / 2 ** 20)} MiB`] : []
      })
    },
    promise: { answerWithinMs: 3000, recoverWithinMs: 2000 },
  },
]

async function resident({ replicas }: World): Promise<number[]> {
  return Promise.all(
    replicas.map(async ({ url }) => {
      const text = await (await fetch(`${url}/metrics`)).text()
      return Number(/^process_resident_memory_bytes (\d+)$/m.exec(text)?.[1])
    }),
  )
}
