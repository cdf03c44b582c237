import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { pipeline } from '../helpers/raw.ts'
import type { Fault } from './fault.ts'
import { checkPools } from './pools.ts'
import type { LogReader, ReplicaProcess } from './replica-process.ts'
import type { World } from './world.ts'

/** What a line of the log repeats, so that fewer requests fill what holds the log. */
const TRACE = `Traceparent: 00-${'1'.repeat(32)}-${'2'.repeat(16)}-00\r\nX-Request-Id: ${'3'.repeat(64)}`
const STATUS = `GET /health/live HTTP/1.1\r\nHost: keyturn\r\n${TRACE}\r\n`
const AT_ONCE = 300
/** Their log would have 8 MB, and 1 MiB and a pipe hold it back. */
const MANY = 20_000
const LASTS_MS = 3000
const ENDS_WITHIN_MS = 5000

/** What happens to the log of the replicas themselves. */
export const logFaults: readonly Fault[] = [
  {
    name: 'Log on a full disk',
    isImpossible: async () => (existsSync('/dev/full') ? undefined : 'there is no /dev/full here'),
    ...logGoesTo('full disk'),
  },
  { name: 'Nobody reads the log', ...logGoesTo('nobody') },
]

function logGoesTo(reader: LogReader): Omit<Fault, 'name'> {
  return {
    prepare: (world) => world.startReplicas({ LOG_LEVEL: 'info' }, reader),
    async happen({ replicas }) {
      for (const replica of replicas) await fillLog(replica)
      await pause(LASTS_MS)
    },
    async check(world) {
      // Before they end, for those that follow have fresh pools.
      const complaints = [...(await checkPools(world)), ...(await endAll(world))]
      await world.startReplicas()
      return complaints
    },
    isWithoutHashes: true,
    promise: { answerWithinMs: 3000, recoverWithinMs: 0, refusesNobody: true },
  }
}

/** Until lines are lost. */
async function fillLog({ url }: ReplicaProcess): Promise<void> {
  const requests = [...Array<string>(AT_ONCE - 1).fill(`${STATUS}\r\n`), `${STATUS}Connection: close\r\n\r\n`]
  for (let asked = 0; (await linesLost(url)) === 0; asked += AT_ONCE) {
    if (asked > MANY) throw new Error(`no line of the log is lost after ${asked} requests`)
    const statuses = await pipeline(url, requests)
    const answered = statuses.filter((status) => status === 200).length
    if (answered < AT_ONCE)
      throw new Error(`${AT_ONCE - answered} status requests of ${AT_ONCE} had no answer`)
  }
}

async function linesLost(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(/^keyturn_log_lines_lost_total (\d+)$/m.exec(text)?.[1])
}

/** By SIGTERM, which must not wait for whoever does not read. */
async function endAll({ replicas }: World): Promise<string[]> {
  const complaints = replicas.map(async (replica) => {
    const began = performance.now()
    const status = await replica.end('SIGTERM')
    const took = performance.now() - began
    return [
      ...(status === 0 ? [] : [`a replica whose log nobody reads has ended with ${status}`]),
      ...(took < ENDS_WITHIN_MS ? [] : [`a replica took ${Math.round(took)} ms to end`]),
    ]
  })
  return (await Promise.all(complaints)).flat()
}
