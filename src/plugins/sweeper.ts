import fp from 'fastify-plugin'
import type { SweepAges } from '../store/sweep.ts'
import { createSweep } from '../store/sweep.ts'
import { createCounter } from './metric-kinds.ts'

export interface SweeperPluginOptions {
  readonly ages: SweepAges
  /** From 0 up to 1. */
  readonly random: () => number
  readonly everyMs?: number
}

const EVERY_MS = 60_000

/**
 * Has what is over removed, once a minute from start to close. The first round comes after a part of a minute that is
 * drawn at random, so that replicas which start together do not come together. A round that fails is tried again
 * with the next.
 */
export const sweeperPlugin = fp<SweeperPluginOptions>(
  async (app, { ages, random, everyMs = EVERY_MS }) => {
    const sweep = createSweep(app.database, ages)
    const rows = app.metrics.add(
      createCounter('keyturn_swept_rows_total', 'Rows that were over and were removed, by kind.'),
    )
    let timer: NodeJS.Timeout | undefined
    let running: Promise<void> | undefined
    let closed = false

    function schedule(delayMs: number): void {
      if (closed) return
      timer = setTimeout(() => {
        running = round()
      }, delayMs).unref()
    }

    async function round(): Promise<void> {
      try {
        const swept = await sweep.round()
        for (const [kind, count] of Object.entries(swept)) rows.of({ kind }).add(count)
        if (Object.keys(swept).length > 0) app.log.info({ swept }, 'removed what was over')
      } catch (error) {
        app.log.warn({ err: error }, 'what is over could not be removed')
      }
      schedule(everyMs)
    }

    app.addHook('onReady', async () => schedule(random() * everyMs))
    app.addHook('onClose', async () => {
      closed = true
      clearTimeout(timer)
      await running
    })
  },
  { name: 'sweeper', dependencies: ['database', 'metrics'] },
)
