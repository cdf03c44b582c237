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

/** More threads than cores bring nothing but delay. */
const THREADS = availableParallelism()
/** At cost 12, about 0.2 s a hash, who joins the end of this queue waits two seconds; later is too late. */
const QUEUE_MAX = 10 * THREADS
const RETRY_AFTER_SECONDS = 2

/** bcrypt on worker threads of low priority, as many as there are cores, behind a bounded queue. */
export const bcryptPoolPlugin = fp(
  async (app) => {
    const pool = new Piscina<Parameters<typeof work>[0], ReturnType<typeof work>>({
      filename: new URL('../core/bcrypt-worker.js', import.meta.url).href,
      execArgv: [],
      minThreads: 1,
      maxThreads: THREADS,
      idleTimeout: 60_000,
    })
    app.addHook('onClose', () => pool.destroy())

    function run(task: Parameters<typeof work>[0]): Promise<ReturnType<typeof work>> {
      if (pool.queueSize >= QUEUE_MAX)
        throw new AuthError('unavailable', { retryAfterSeconds: RETRY_AFTER_SECONDS })
      return pool.run(task)
    }

    app.decorate('bcryptPool', {
      hash: async (input, cost) => String(await run({ input, cost })),
      compare: async (input, hash) => (await run({ input, hash })) === true,
    } satisfies BcryptPool)
  },
  { name: 'bcrypt-pool' },
)
