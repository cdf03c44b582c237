import fp from 'fastify-plugin'
import type { Batched, Database } from '../store/database.ts'
import { openDatabase } from '../store/database.ts'
import type { Store } from '../store/store.ts'
import { createStore } from '../store/store.ts'
import { createGauge, createHistogram } from './metric-kinds.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly database: Database
    readonly store: Store
  }
}

export interface DatabasePluginOptions {
  readonly url: string
  readonly poolMax: number
  readonly refreshIdleTtlSeconds: number
}

const BATCHED: readonly Batched[] = ['rotate', 'find_sessions', 'record_events']

/** The pool, from start to close, and the store over it. */
export const databasePlugin = fp<DatabasePluginOptions>(
  async (app, options) => {
    const batches = app.metrics.add(
      createHistogram(
        'keyturn_database_batch_size',
        'How many requests shared a statement, by statement.',
        [1, 2, 4, 8, 16, 32, 64, 128],
        BATCHED.map((statement) => ({ statement })),
      ),
    )
    const sizes = new Map(BATCHED.map((statement) => [statement, batches.of({ statement })]))
    const database = openDatabase({
      url: options.url,
      poolMax: options.poolMax,
      onBatch: (statement, size) => sizes.get(statement)?.observe(size),
      onOldPrimary: () =>
        app.log.warn(
          'an old primary answers and is not used: its timeline is below that of the one that took over. Stop it, or restart this replica if it was put back on purpose',
        ),
      onIdleError: (error) => app.log.warn({ err: error }, 'an idle database connection broke'),
    })
    const { pool } = database
    app.metrics.add(
      createGauge('keyturn_database_connections', 'Connections of the pool, by state.', () => [
        [{ state: 'in_use' }, pool.totalCount - pool.idleCount],
        [{ state: 'idle' }, pool.idleCount],
      ]),
    )
    app.metrics.add(
      createGauge(
        'keyturn_database_waiting',
        'Statements that wait for a connection.',
        () => pool.waitingCount,
      ),
    )
    app.metrics.add(
      createGauge(
        'keyturn_database_refused_total',
        'Times that no connection was had: all were in use for too long, or the database was away.',
        () => pool.refused,
        'counter',
      ),
    )
    app.decorate('database', database)
    app.decorate('store', createStore(database, options.refreshIdleTtlSeconds))
    app.addHook('onClose', () => database.close())
  },
  { name: 'database', dependencies: ['metrics'] },
)
