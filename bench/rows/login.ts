import { createHash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import type { CompareOrder } from '../bare-bcrypt.ts'
import type { Bench, Served } from '../bench.ts'
import { BCRYPT_COST, interleave, serve } from '../bench.ts'
import type { Row } from '../table.ts'
import { count, median } from '../table.ts'

/** Enough that no thread is ever without work. */
const IN_FLIGHT = 4 * availableParallelism()
/** A hash takes some 50 ms: shorter rounds would count too few. */
const SECONDS_AT_LEAST = 4

/** Sign-ins beside bare bcrypt on the same threads, and the status checks of others while that goes on. */
export async function loginRows(bench: Bench): Promise<Row[]> {
  const { service, rig } = bench
  const bcrypt = rig.helper('bare-bcrypt')
  const input = createHash('sha256').update(bench.login.password).digest('hex')
  const hash: string = await bcrypt.ask({ ask: 'hash', input, cost: BCRYPT_COST })
  const seconds = Math.max(rig.effort.seconds, rig.effort.rounds > 1 ? SECONDS_AT_LEAST : 0)

  const results = await interleave<{ bare: { perSecond: number }; login: Served }>(rig.effort.rounds, {
    bare: () =>
      bcrypt.ask({
        ask: 'compare',
        input,
        hash,
        cost: BCRYPT_COST,
        inFlight: IN_FLIGHT,
        seconds,
      } satisfies CompareOrder),
    login: () =>
      serve(bench, service, {
        port: service.port,
        connections: IN_FLIGHT,
        seconds,
        traffic: { kind: 'login', ...bench.login },
      }),
  })
  return [
    {
      what: `/token at bcrypt cost ${BCRYPT_COST}, logins/s`,
      measured: count(median(results.map((round) => round.login.perSecond))),
      yardstick: `${count(median(results.map((round) => round.bare.perSecond)))}, bare bcrypt on the same threads`,
      rounds: results.map((round) => round.login.perSecond / round.bare.perSecond),
      target: { atLeast: 0.97 },
    },
  ]
}
