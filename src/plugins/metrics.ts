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
  /** All of it in the text format of Prometheus. */
  text(): string
}

/** Counters of this process since its start. No label ever names a person, a token or an address. */
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
    app.decorate('metrics', {
      countRefresh(verdict) {
        refreshes[verdict] += 1
      },
      text: () =>
        [
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
          '',
        ].join('\n'),
    })
  },
  { name: 'metrics' },
)
