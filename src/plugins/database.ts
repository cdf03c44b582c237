import fp from 'fastify-plugin'
import type { Database } from '../store/database.ts'
import { openDatabase } from '../store/database.ts'
import type { Store } from '../store/store.ts'
import { createStore } from '../store/store.ts'

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

/** The pool, from start to close, and the store over it. */
export const databasePlugin = fp<DatabasePluginOptions>(
  async (app, options) => {
    const database = openDatabase({
      url: options.url,
      poolMax: options.poolMax,
      onIdleError: (error) => app.log.warn({ err: error }, 'an idle database connection broke'),
    })
    app.decorate('database', database)
    app.decorate('store', createStore(database, options.refreshIdleTtlSeconds))
    app.addHook('onClose', () => database.close())
  },
  { name: 'database' },
)
