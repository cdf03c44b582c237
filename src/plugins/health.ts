import fp from 'fastify-plugin'
import { Type } from 'typebox'
import type { Manner } from './endpoint.ts'
import { action, endpoint } from './endpoint.ts'
import { METRICS_TYPE } from './metrics.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly health: Health
  }
}

export interface Health {
  /** From now on the service is not ready: load balancers send new requests elsewhere. */
  drain(): void
  /** Has `act` called then; at once where that is now. */
  whenDraining(act: () => void): void
}

export interface HealthPluginOptions {
  readonly manner: Manner
  /** False where metrics have a port of their own. */
  readonly showsMetrics: boolean
}

const Live = Type.Object({ status: Type.Literal('live') })
const Ready = Type.Object({
  status: Type.Union([Type.Literal('ready'), Type.Literal('draining'), Type.Literal('no database')]),
})

/** `/health/live` asks only this process; `/health/ready` asks the database too, and says no while draining. */
export const healthPlugin = fp<HealthPluginOptions>(
  async (app, { manner, showsMetrics }) => {
    let draining = false
    const acts: (() => void)[] = []
    app.decorate('health', {
      drain() {
        draining = true
        for (const act of acts.splice(0)) act()
      },
      whenDraining(act) {
        if (draining) act()
        else acts.push(act)
      },
    } satisfies Health)
    // A connection that is kept alive would outlive the service: each gets its answers, and is closed after them.
    app.addHook('onSend', (_request, reply, _payload, done) => {
      if (draining && app.connections.isLast(reply)) reply.header('connection', 'close')
      done()
    })

    async function databaseAnswers(): Promise<boolean> {
      try {
        await app.database.pool.query({ name: 'ready', text: 'SELECT 1' })
        return true
      } catch {
        return false
      }
    }

    const live = action({
      guard: 'open',
      summary: 'Does the process answer? Restart it when it does not.',
      answers: { 200: Live },
      handle: () => ({ status: 'live' }),
    })
    const ready = action({
      guard: 'open',
      summary: 'Should requests be sent here? 503 while the service drains or has no database.',
      answers: { 200: Ready, 503: Ready },
      async handle(_request, reply) {
        const status = draining ? 'draining' : (await databaseAnswers()) ? 'ready' : 'no database'
        reply.code(status === 'ready' ? 200 : 503).header('cache-control', 'no-store')
        if (status !== 'ready') reply.header('retry-after', 1)
        return { status }
      },
    })
    const metrics = action({
      guard: 'open',
      summary: 'Counters of this process and gauges of the outbox, in the text format of Prometheus.',
      answers: { 200: Type.String() },
      async handle(_request, reply) {
        const text = await app.metrics.text()
        return reply.type(METRICS_TYPE).serializer(String).send(text)
      },
    })

    endpoint(app, manner, '/health/live', 'Live', { GET: live })
    endpoint(app, manner, '/health/ready', 'Ready', { GET: ready })
    if (showsMetrics) endpoint(app, manner, '/metrics', 'Metrics', { GET: metrics })
  },
  { name: 'health', dependencies: ['connections', 'database', 'metrics', 'guards'] },
)
