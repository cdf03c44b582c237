import type { Bench } from '../bench.ts'
import { CONNECTIONS, interleave } from '../bench.ts'
import type { BenchDatabase } from '../database.ts'
import type { RotationFigures } from '../rotations.ts'
import type { Row } from '../table.ts'
import { count, median } from '../table.ts'

const FEW = 1000
const MANY = 1_000_000
const MANY_WHEN_QUICK = 20_000

/** The store's rotation among a million sessions beside the same among a thousand. */
export async function scaleRows({ rig }: Bench): Promise<Row[]> {
  const { rounds, seconds } = rig.effort
  const many = rounds > 1 ? MANY : MANY_WHEN_QUICK
  const few = await rig.database('few', { users: FEW, sessions: FEW })
  const crowd = await rig.database('many', { users: many / 5, sessions: many })
  const rotate = (database: BenchDatabase, sessions: number) => async () => {
    const figures = await rig.helper('rotations').ask<RotationFigures>({
      ask: 'rotate',
      url: database.url,
      first: 1,
      sessions,
      inFlight: CONNECTIONS,
      seconds,
    })
    if (figures.missed > 0) throw new Error(`${figures.missed} rotations did nothing`)
    return figures
  }
  const results = await interleave<{ few: RotationFigures; many: RotationFigures }>(rounds, {
    few: rotate(few, FEW),
    many: rotate(crowd, many),
  })
  return [
    {
      what: `rotation among ${many.toLocaleString('en')} sessions, statements shared, rotations/s`,
      measured: count(median(results.map((round) => round.many.perSecond))),
      yardstick: `${count(median(results.map((round) => round.few.perSecond)))}, the same among ${FEW.toLocaleString('en')}`,
      rounds: results.map((round) => round.many.perSecond / round.few.perSecond),
      target: { atLeast: 0.85 },
    },
  ]
}
