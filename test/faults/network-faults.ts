import { setTimeout as pause } from 'node:timers/promises'
import { until } from '../helpers/until.ts'
import type { Fault } from './fault.ts'

const OUTAGE_MS = 5000
/** How many connections are cut at a commit, half of them before the database has it. */
const CUTS = 150

/** What happens between the service and its database. */
export const networkFaults: readonly Fault[] = [
  {
    name: 'Network to Postgres cut for 5 s (black hole)',
    async happen({ gate }) {
      gate.hang()
      await pause(OUTAGE_MS)
      gate.open()
    },
    promise: { answerWithinMs: 3000, recoverWithinMs: 2000 },
  },
  ...[200, 2000].map(
    (ms): Fault => ({
      name: `Postgres answers ${ms} ms later`,
      async happen({ gate }) {
        gate.delay(ms / 2)
        await pause(OUTAGE_MS)
        gate.delay(0)
      },
      promise: { answerWithinMs: 3000, recoverWithinMs: 2000 },
    }),
  ),
  {
    name: 'Connections reset and half closed, 20 times',
    async happen({ gate, chance }) {
      for (let times = 0; times < 20; times += 1) {
        if (chance.happens(0.5)) gate.reset()
        else gate.halfClose()
        await pause(chance.between(100, 300))
      }
    },
    promise: { answerWithinMs: 3000, recoverWithinMs: 2000 },
  },
  {
    name: `Connection cut at COMMIT, ${CUTS} times`,
    async happen({ gate, chance }) {
      let cuts = 0
      gate.cutAt((sent) => {
        if (!isCommit(sent) || chance.happens(0.5)) return undefined
        cuts += 1
        return chance.happens(0.5) ? 'before' : 'after'
      })
      await until(`${CUTS} connections are cut`, () => cuts >= CUTS, 60)
      gate.cutAt(undefined)
    },
    promise: { answerWithinMs: 3000, recoverWithinMs: 2000 },
  },
]

/** The COMMIT of a transaction, or the statement of the rotation, which commits by itself. */
function isCommit(sent: Buffer): boolean {
  return sent.includes('COMMIT\0') || sent.includes('\0rotate\0') || sent.includes('\0rotate_alone\0')
}
