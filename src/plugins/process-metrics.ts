import fp from 'fastify-plugin'
import { createGauge, createHistogram } from './metric-kinds.ts'

export interface ProcessMetricsOptions {
  readonly version: string
}

/** Often enough to meet a stall, seldom enough to cost nothing. */
const LOOK_EVERY_MS = 100
const LAG_BOUNDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

/** The process itself: what it is, since when, how much memory it holds, and how late its timers are. */
export const processMetricsPlugin = fp<ProcessMetricsOptions>(
  async (app, { version }) => {
    app.metrics.add(
      createGauge('keyturn_build_info', 'Always 1; by version, that of Keyturn, and node.', () => [
        [{ version, node: process.versions.node }, 1],
      ]),
    )
    app.metrics.add(
      createGauge('process_resident_memory_bytes', 'Resident memory size in bytes.', () =>
        process.memoryUsage.rss(),
      ),
    )
    app.metrics.add(
      createGauge(
        'process_start_time_seconds',
        'Start time of the process since unix epoch in seconds.',
        () => Math.floor(performance.timeOrigin / 1000),
      ),
    )
    app.metrics.add(
      createGauge(
        'process_cpu_seconds_total',
        'User and system CPU time spent in seconds.',
        () => {
          const { user, system } = process.cpuUsage()
          return (user + system) / 1_000_000
        },
        'counter',
      ),
    )
    const lag = app.metrics
      .add(
        createHistogram(
          'keyturn_event_loop_lag_seconds',
          'How long a request that came at a random moment would have waited for the event loop.',
          LAG_BOUNDS,
        ),
      )
      .of()
    let due = performance.now() + LOOK_EVERY_MS
    const timer = setInterval(() => {
      const now = performance.now()
      lag.observe(Math.max(0, now - due) / 1000)
      due = now + LOOK_EVERY_MS
    }, LOOK_EVERY_MS).unref()
    app.addHook('onClose', () => clearInterval(timer))
  },
  { name: 'process-metrics', dependencies: ['metrics'] },
)
