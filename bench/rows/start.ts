import { join } from 'node:path'
import type { Bench } from '../bench.ts'
import { startChild } from '../child.ts'
import { freePort, untilReady } from '../rig.ts'
import type { Row } from '../table.ts'
import { count, median } from '../table.ts'

/** From the start of the process to the first 200 of /health/ready. These are times, so nothing is judged. */
export async function startRows({ rig, database }: Bench): Promise<Row[]> {
  const migrated: number[] = []
  const first: number[] = []
  for (let round = 0; round < rig.effort.rounds; round += 1) {
    const start = performance.now()
    const service = await rig.service(database)
    migrated.push((performance.now() - start) / 1000)
    await service.stop()
    first.push(await firstStart(join(rig.directory, `first-${round}`)))
  }
  const row = (what: string, seconds: readonly number[], told: string): Row => ({
    what,
    measured: `${count(median(seconds))} s`,
    yardstick: '',
    rounds: [],
    target: { told },
  })
  return [
    row('start of the build on a migrated database → ready', migrated, '< 1 s'),
    row('first `npm start` with embedded Postgres → ready', first, '< 5 s'),
  ]
}

/** As `npm start` does it in a fresh clone: from source, with nothing set but where. */
async function firstStart(dataDir: string): Promise<number> {
  const port = await freePort()
  const start = performance.now()
  const env = { PORT: String(port), DATA_DIR: dataDir }
  const child = startChild(new URL('../../src/server.ts', import.meta.url), { env })
  try {
    await untilReady(port)
    return (performance.now() - start) / 1000
  } finally {
    await child.stop()
  }
}
