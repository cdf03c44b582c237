import fp from 'fastify-plugin'
import type work from '../core/bcrypt-worker.js'
import { AuthError } from '../core/errors.ts'
import type { BcryptPool } from '../core/ports.ts'
import type { BcryptThreads } from './bcrypt-threads.ts'
import { startBcryptThreads, THREADS } from './bcrypt-threads.ts'
import { createCounter, createGauge, createHistogram, LATENCY_BOUNDS } from './metric-kinds.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly bcryptPool: BcryptPool
  }
}

export interface BcryptPoolPluginOptions {
  /** BCRYPT_COST: tells what a hash takes before one has been timed. */
  readonly cost: number
  /** Threads that outlive this service; by default it has its own. */
  readonly threads?: BcryptThreads | undefined
}

/** Who would wait longer than this is told to come back: an answer after three seconds is none. */
const WAIT_MAX_MS = 2000
const QUEUE_MAX = 1000
/** One more than can run, so that no thread waits for us between two hashes. */
const SLOTS = THREADS + 1
const RETRY_AFTER_SECONDS = 2
const COST_12_MS = 200

interface Waiting {
  readonly resolve: () => void
  readonly timer: NodeJS.Timeout
}

/** bcrypt on worker threads of low priority, as many as there are cores, behind a queue bounded in time. */
export const bcryptPoolPlugin = fp<BcryptPoolPluginOptions>(
  async (app, { cost, threads: shared }) => {
    const threads = shared ?? startBcryptThreads()
    if (shared === undefined) app.addHook('onClose', () => threads.end())
    let taskMs = COST_12_MS * 2 ** (cost - 12)
    let taken = 0
    const waiting: Waiting[] = []
    const refused = app.metrics
      .add(createCounter('keyturn_hash_refused_total', 'Hashes refused, for too many waited.', [{}]))
      .of()
    const waits = app.metrics
      .add(
        createHistogram(
          'keyturn_hash_wait_seconds',
          'How long a hash waited for its thread.',
          LATENCY_BOUNDS,
          [{}],
        ),
      )
      .of()
    app.metrics.add(
      createGauge('keyturn_hash_waiting', 'Hashes that wait for a thread.', () => waiting.length),
    )
    app.metrics.add(
      createGauge('keyturn_hash_running', 'Hashes that have a thread, or the next one.', () => taken),
    )
    const busy = () => {
      refused.add()
      return new AuthError('unavailable', { retryAfterSeconds: RETRY_AFTER_SECONDS })
    }

    /** By the estimate whoever would wait too long is refused at once; by the clock, who has waited too long after all. */
    function takeSlot(): Promise<void> | undefined {
      if (taken < SLOTS) {
        taken += 1
        return undefined
      }
      if ((waiting.length * taskMs) / THREADS > WAIT_MAX_MS || waiting.length >= QUEUE_MAX) throw busy()
      return new Promise((resolve, reject) => {
        const entry: Waiting = { resolve, timer: setTimeout(giveUp, WAIT_MAX_MS) }
        function giveUp(): void {
          waiting.splice(waiting.indexOf(entry), 1)
          reject(busy())
        }
        waiting.push(entry)
      })
    }

    function passSlotOn(): void {
      const next = waiting.shift()
      if (next === undefined) taken -= 1
      else {
        clearTimeout(next.timer)
        next.resolve()
      }
    }

    async function run(task: Parameters<typeof work>[0]): ReturnType<typeof work> {
      const asked = performance.now()
      await takeSlot()
      waits.observe((performance.now() - asked) / 1000)
      try {
        return await threads.run(task)
      } finally {
        taskMs = threads.meanMs || taskMs
        passSlotOn()
      }
    }

    app.decorate('bcryptPool', {
      hash: async (input, cost) => String(await run({ input, cost })),
      async check(check) {
        const checked = await run(check)
        if (typeof checked === 'string') throw new Error('a check gave a hash')
        return checked
      },
    } satisfies BcryptPool)
  },
  { name: 'bcrypt-pool', dependencies: ['metrics'] },
)
