import fp from 'fastify-plugin'
import type { SeenGenerations } from '../core/ports.ts'
import { markSeen } from '../store/seen.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly seenGenerations: SeenGenerations
  }
}

const FLUSH_MS = 200
/** Sessions remembered as noted, so that a poller costs one write per generation and not one per poll. */
const NOTED_MAX = 50_000
/** One statement's worth; what is more waits for the next round. */
const BATCH_MAX = 1000

/**
 * Generations whose access token was met, written a moment later and together. It is off the path of the request,
 * and losing a note is harmless: the next call of the same client makes it again.
 */
export const seenPlugin = fp(
  async (app) => {
    const noted = new Map<string, number>()
    const unwritten = new Map<string, number>()
    let timer: NodeJS.Timeout | undefined

    /** The next call of the same client makes the note again. */
    function forget(sessionIds: Iterable<string>): void {
      for (const sessionId of sessionIds) noted.delete(sessionId)
    }

    async function flush(): Promise<void> {
      const batch = new Map([...unwritten].slice(0, BATCH_MAX))
      for (const sessionId of batch.keys()) unwritten.delete(sessionId)
      try {
        forget(await markSeen(app.database, batch))
      } catch (error) {
        forget(batch.keys())
        app.log.warn({ err: error }, 'seen generations could not be written')
      }
      timer = unwritten.size > 0 ? setTimeout(flush, FLUSH_MS) : undefined
    }

    app.decorate('seenGenerations', {
      note(sessionId, generation) {
        const known = noted.get(sessionId)
        if (known !== undefined && known >= generation) return
        if (known === undefined && noted.size >= NOTED_MAX) noted.delete(noted.keys().next().value ?? '')
        noted.set(sessionId, generation)
        unwritten.set(sessionId, generation)
        timer ??= setTimeout(flush, FLUSH_MS)
      },
    } satisfies SeenGenerations)

    app.addHook('onClose', async () => {
      clearTimeout(timer)
      if (unwritten.size > 0) await flush()
      clearTimeout(timer)
    })
  },
  { name: 'seen', dependencies: ['database'] },
)
