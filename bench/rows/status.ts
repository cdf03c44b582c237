import type { Bench, Served } from '../bench.ts'
import { CONNECTIONS, interleave, serve } from '../bench.ts'
import type { Row } from '../table.ts'
import { count, median } from '../table.ts'

const PATH = '/check-auth-status'
/** More than any round can use up. */
const FRESH_PER_SECOND = 30_000

/** Status checks beside a bare route with the same answer, by requests a second. */
export async function statusRows(bench: Bench): Promise<Row[]> {
  const { service, bare, barePort, rig } = bench
  const { seconds, rounds } = rig.effort
  const load = { connections: CONNECTIONS, seconds }
  const tokens = Math.ceil(seconds * FRESH_PER_SECOND)

  const results = await interleave<Record<'bare' | 'seen' | 'fresh', Served>>(rounds, {
    bare: () => serve(bench, bare, { ...load, port: barePort, traffic: { kind: 'get', path: '/bare' } }),
    seen: () => serve(bench, service, { ...load, port: service.port, traffic: { kind: 'get', path: PATH } }),
    fresh: () =>
      serve(bench, service, {
        ...load,
        port: service.port,
        traffic: { kind: 'get-fresh', path: PATH, tokens },
      }),
  })
  const row = (what: string, side: 'seen' | 'fresh', atLeast: number): Row => ({
    what: `${PATH}, tokens ${what}, requests/s`,
    measured: figures(results.map((round) => round[side])),
    yardstick: `${figures(results.map((round) => round.bare))}, bare Fastify route`,
    rounds: results.map((round) => round[side].perSecond / round.bare.perSecond),
    target: { atLeast },
  })
  return [row('seen before', 'seen', 0.75), row('never seen', 'fresh', 0.45)]
}

function figures(rounds: readonly Served[]): string {
  const perSecond = count(median(rounds.map((round) => round.perSecond)))
  return `${perSecond} at ${count(median(rounds.map(({ cpuMicros }) => cpuMicros)))} µs CPU`
}
