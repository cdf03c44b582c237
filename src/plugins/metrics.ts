import fp from 'fastify-plugin'
import type { AuthNeeds } from '../core/auth.ts'
import type { Metric } from './metric-kinds.ts'
import { createCounter } from './metric-kinds.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly metrics: Metrics
  }
}

type RefreshVerdict = Parameters<AuthNeeds['count']>[0]

export interface Metrics {
  countRefresh(verdict: RefreshVerdict): void
  /** Shows it from now on, and hands it back. */
  add<M extends Metric>(metric: M): M
  /** Adds lines that are read when somebody asks for them, every few seconds at most; left out while they cannot be read. */
  addSource(read: () => Promise<readonly string[]>): void
  /** All of it in the text format of Prometheus. */
  text(): Promise<string>
}

/** The text format of Prometheus, in the version that everything reads. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** Anybody may ask for metrics, and the database must not notice how often. */
const SOURCE_SECONDS = 5

const VERDICTS = {
  rotated: true,
  replayed: true,
  'lost-answer': true,
  healed: true,
  kept: true,
  overtaken: true,
  theft: true,
  refused: true,
} satisfies Record<RefreshVerdict, true>

/** Counters of this process since its start, and what others add. No label ever names a person, a token or an address. */
export const metricsPlugin = fp(
  async (app) => {
    const refreshes = createCounter(
      'keyturn_refreshes_total',
      'Refreshes by verdict.',
      Object.keys(VERDICTS).map((verdict) => ({ verdict })),
    )
    const metrics: Metric[] = [refreshes]
    const sources: (() => Promise<readonly string[]>)[] = []
    app.decorate('metrics', {
      countRefresh(verdict) {
        refreshes.of({ verdict }).add()
      },
      add(metric) {
        metrics.push(metric)
        return metric
      },
      addSource(read) {
        sources.push(remembered(() => read().catch(() => [])))
      },
      async text() {
        const added = await Promise.all(sources.map((read) => read()))
        return [...metrics.flatMap((metric) => metric.lines()), ...added.flat(), ''].join('\n')
      },
    } satisfies Metrics)
  },
  { name: 'metrics' },
)

/** The same answer to all who ask within SOURCE_SECONDS. */
function remembered<T>(read: () => Promise<T>): () => Promise<T> {
  let last: Promise<T> | undefined
  return () => {
    if (last === undefined) {
      last = read()
      setTimeout(() => {
        last = undefined
      }, SOURCE_SECONDS * 1000).unref()
    }
    return last
  }
}
