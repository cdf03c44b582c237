import { availableParallelism } from 'node:os'
import type { Bench, Served } from '../bench.ts'
import { CONNECTIONS, interleave, serve } from '../bench.ts'
import type { Row } from '../table.ts'
import { count, median } from '../table.ts'

/** Keeps the hash workers busy and their queue filled. */
const LOGINS_IN_FLIGHT = 8 * availableParallelism()

/** How long others wait for their status while everybody signs in. */
export async function stormRows(bench: Bench): Promise<Row[]> {
  const { service, rig } = bench
  const { seconds, rounds } = rig.effort
  const status = () =>
    serve(bench, service, {
      port: service.port,
      connections: CONNECTIONS,
      seconds,
      traffic: { kind: 'get', path: '/check-auth-status' },
    })
  const results = await interleave<{ calm: Served; storm: Served }>(rounds, {
    calm: status,
    storm: async () => {
      const logins = rig.load({
        port: service.port,
        connections: LOGINS_IN_FLIGHT,
        seconds,
        traffic: { kind: 'login', ...bench.login },
      })
      const [served] = await Promise.all([status(), logins])
      return served
    },
  })
  return [
    {
      what: `/check-auth-status while ${LOGINS_IN_FLIGHT} sign in at a time, p99`,
      measured: `${count(median(results.map((round) => round.storm.p99)))} ms`,
      yardstick: `${count(median(results.map((round) => round.calm.p99)))} ms, itself without logins`,
      rounds: results.map((round) => round.storm.p99 / round.calm.p99),
      target: { atMost: 1.5 },
    },
  ]
}
