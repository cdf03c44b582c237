import { availableParallelism } from 'node:os'
import fp from 'fastify-plugin'
import { Piscina } from 'piscina'
import type work from '../core/bcrypt-worker.js'
import { AuthError } from '../core/errors.ts'
import type { BcryptPool } from '../core/ports.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly bcryptPool: BcryptPool
  }
}

export interface BcryptPoolPluginOptions {
  /** BCRYPT_COST: tells what a hash takes before one has been timed. */
  readonly cost: number
}

/** More threads than cores bring nothing but delay. */
const THREADS = availableParallelism()
/** Who would wait longer than this is told to come back: an answer after three seconds is none. */
const WAIT_MAX_MS = 2000
const QUEUE_MAX = 1000
const RETRY_AFTER_SECONDS = 2
const COST_12_MS = 200

/** bcrypt on worker threads of low priority, as many as there are cores, behind a queue bounded in time. */
export const bcryptPoolPlugin = fp<BcryptPoolPluginOptions>(
  async (app, { cost }) => {
    const pool = new Piscina<Parameters<typeof work>[0], Awaited<ReturnType<typeof work>>>({
      filename: new URL('../core/bcrypt-worker.js', import.meta.url).href,
      execArgv: [],
      minThreads: 1,
      maxThreads: THREADS,
      idleTimeout: 60_000,
    })
    app.addHook('onClose', () => pool.destroy())
    let taskMs = COST_12_MS * 2 ** (cost - 12)

    async function run(task: Parameters<typeof work>[0]): ReturnType<typeof work> {
      const waitMs = (pool.queueSize * taskMs) / THREADS
      if (waitMs > WAIT_MAX_MS || pool.queueSize >= QUEUE_MAX) {
        throw new AuthError('unavailable', { retryAfterSeconds: RETRY_AFTER_SECONDS })
      }
      const result = await pool.run(task)
      // Piscina times the work itself, without the wait, in milliseconds.
      taskMs = pool.histogram.runTime.mean || taskMs
      return result
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
  { name: 'bcrypt-pool' },
)
