import fp from 'fastify-plugin'
import type { AuthNeeds } from '../core/auth.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly metrics: Metrics
  }
}

type RefreshVerdict = Parameters<AuthNeeds['count']>[0]

export interface Metrics {
  countRefresh(verdict: RefreshVerdict): void
  /** Adds lines that are read when somebody asks for them, every few seconds at most; left out while they cannot be read. */
  addSource(read: () => Promise<readonly string[]>): void
  /** Adds lines that cost nothing to read, as they are at that moment. */
  addGauges(read: () => readonly string[]): void
  /** All of it in the text format of Prometheus. */
  text(): Promise<string>
}

/** Anybody may ask for metrics, and the database must not notice how often. */
const SOURCE_SECONDS = 5

/** Counters of this process since its start, and what others add. No label ever names a person, a token or an address. */
export const metricsPlugin = fp(
  async (app) => {
    const refreshes: Record<RefreshVerdict, number> = {
      rotated: 0,
      replayed: 0,
      'lost-answer': 0,
      healed: 0,
      kept: 0,
      overtaken: 0,
      theft: 0,
      refused: 0,
    }
    const gauges: (() => readonly string[])[] = []
    const sources: (() => Promise<readonly string[]>)[] = []
    app.decorate('metrics', {
      countRefresh(verdict) {
        refreshes[verdict] += 1
      },
      addSource(read) {
        sources.push(remembered(() => read().catch(() => [])))
      },
      addGauges(read) {
        gauges.push(read)
      },
      async text() {
        const added = await Promise.all(sources.map((read) => read()))
        return [
          '# HELP keyturn_refreshes_total Refreshes by verdict.',
          '# TYPE keyturn_refreshes_total counter',
          ...Object.entries(refreshes).map(
            ([verdict, count]) => `keyturn_refreshes_total{verdict="${verdict}"} ${count}`,
          ),
          '# HELP process_resident_memory_bytes Resident memory size in bytes.',
          '# TYPE process_resident_memory_bytes gauge',
          `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
          '# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.',
          '# TYPE process_start_time_seconds gauge',
          `process_start_time_seconds ${Math.floor(performance.timeOrigin / 1000)}`,
          ...gauges.flatMap((read) => read()),
          ...added.flat(),
          '',
        ].join('\n')
      },
    })
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
