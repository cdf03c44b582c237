import { setTimeout as pause } from 'node:timers/promises'
import type { Bench } from '../bench.ts'
import { CONNECTIONS } from '../bench.ts'
import type { Row } from '../table.ts'
import { count } from '../table.ts'
import type { TrafficKind } from '../traffic.ts'

const MIB = 2 ** 20
const SAMPLE_MS = 100

/** The most memory the service holds while status checks, refreshes and sign-ins come all at once. */
export async function memoryRows({ rig, service, bare, login }: Bench): Promise<Row[]> {
  const seconds = 2 * rig.effort.seconds
  const kinds: TrafficKind[] = [
    { kind: 'get-fresh', path: '/check-auth-status', tokens: Math.ceil(seconds * 15_000) },
    { kind: 'refresh' },
    { kind: 'login', ...login },
  ]
  let over = false
  const loads = Promise.all(
    kinds.map((traffic) => rig.load({ port: service.port, connections: CONNECTIONS, seconds, traffic })),
  ).finally(() => {
    over = true
  })
  let most = 0
  while (!over) {
    most = Math.max(most, (await service.usage()).rssBytes)
    await pause(SAMPLE_MS)
  }
  await loads
  return [
    {
      what: 'resident memory under full load',
      measured: `${count(most / MIB)} MiB`,
      yardstick: `${count((await bare.usage()).rssBytes / MIB)} MiB, bare Fastify from source`,
      rounds: [most / MIB],
      target: { atMost: 160 },
      unit: ' MiB',
    },
  ]
}
