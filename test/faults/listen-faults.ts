import { setTimeout as pause } from 'node:timers/promises'
import { until } from '../helpers/until.ts'
import { ask } from './ask.ts'
import type { Fault } from './fault.ts'
import { newPerson } from './person.ts'
import type { World } from './world.ts'

const TERMINATE = `
  SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keyturn listener'`
const CUT_EVERY_MS = 100
const LEAVERS = 8
const REACHES_WITHIN_MS = 5000

let slowestMs = 0

export const listenFaults: readonly Fault[] = [
  {
    name: 'LISTEN connection cut, again and again',
    async happen(world) {
      const { cluster, client } = world
      const people = Array.from({ length: LEAVERS }, newPerson)
      for (const person of people) await client.register(person)
      let isOver = false
      const cutting = (async () => {
        while (!isOver) {
          await cluster.query(TERMINATE)
          await pause(CUT_EVERY_MS)
        }
      })()
      slowestMs = 0
      for (const person of people) {
        const access = person.session?.access ?? ''
        await until('the logout is acknowledged', async () => (await client.logOut(person)).status === 200)
        slowestMs = Math.max(slowestMs, await untilEverywhere(world, access, person.address))
      }
      isOver = true
      await cutting
    },
    async check() {
      const took = `a logout took ${Math.round(slowestMs)} ms to reach every replica`
      return slowestMs > REACHES_WITHIN_MS ? [took] : []
    },
    isWithoutHashes: true,
    promise: { answerWithinMs: 3000, recoverWithinMs: 0, refusesNobody: true },
  },
]

/** How long after now every replica has refused the token; milliseconds. */
export async function untilEverywhere({ replicas }: World, access: string, address: string): Promise<number> {
  const began = performance.now()
  for (const { url } of replicas) {
    const check = () => ask(url, 'ledger', { path: '/check-auth-status', access, address })
    while ((await check()).status !== 401 && performance.now() < began + 2 * REACHES_WITHIN_MS)
      await pause(20)
  }
  return performance.now() - began
}
