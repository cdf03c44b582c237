import { setTimeout as pause } from 'node:timers/promises'
import { until } from '../helpers/until.ts'
import type { Fault } from './fault.ts'
import type { World } from './world.ts'

/** Long enough for most sessions to be refreshed, and for some to end. */
const SINCE_BACKUP_MS = 6000
const WRITTEN_BACK_WITHIN_MS = 2000

/** Sessions of which somebody was told that they are over: tables of the backup do not know them. */
let ended: readonly string[] = []
let thefts = 0
let writtenBackMs = 0

/** The database is an earlier one. */
export const restoreFaults: readonly Fault[] = [
  {
    name: `Database restored from a backup ${SINCE_BACKUP_MS / 1000} s old`,
    async prepare(world) {
      await world.cluster.backUp()
      await until('all replicas have come back', () => world.balancer.ready === world.replicas.length)
    },
    async happen(world) {
      const { cluster } = world
      await pause(SINCE_BACKUP_MS)
      thefts = await countThefts(world)
      ended = (await cluster.query('SELECT id FROM sessions WHERE revoked_at IS NOT NULL')).map(({ id }) =>
        String(id),
      )
      await cluster.restore()
      const began = performance.now()
      await until('what was revoked is written back', async () => (await countAlive(world)) === 0)
      writtenBackMs = performance.now() - began
    },
    async check(world) {
      const stolen = (await countThefts(world)) - thefts
      const alive = await countAlive(world)
      const late = `what was revoked since came alive for ${Math.round(writtenBackMs)} ms`
      return [
        ...(ended.length === 0 ? ['nobody has signed out'] : []),
        ...(alive > 0 ? [`${alive} sessions that were revoked are alive`] : []),
        ...(writtenBackMs > WRITTEN_BACK_WITHIN_MS ? [late] : []),
        ...(stolen > 0 ? [`${stolen} sessions were taken for stolen`] : []),
      ]
    },
    promise: { answerWithinMs: 3000, recoverWithinMs: 2000, mayLoseWrites: true },
  },
]

async function countThefts({ cluster }: World): Promise<number> {
  const [row] = await cluster.query(`SELECT count(*)::int AS n FROM sessions WHERE revoked_reason = 'theft'`)
  return Number(row?.['n'])
}

async function countAlive({ cluster }: World): Promise<number> {
  const ids = ended.map((id) => `'${id}'`).join()
  if (ids === '') return 0
  const [row] = await cluster.query(
    `SELECT count(*)::int AS n FROM sessions WHERE revoked_at IS NULL AND id IN (${ids})`,
  )
  return Number(row?.['n'])
}
