import type { AccountChangeStore, OwnRecords, WidgetStore } from '../core/change-ports.ts'
import type { AccountStore, EventStore, SessionStore } from '../core/ports.ts'
import { createAccountChangeStore } from './account-changes.ts'
import { createAccountStore } from './accounts.ts'
import type { Database } from './database.ts'
import { createEventStore } from './events.ts'
import { withStoreFailures } from './failure.ts'
import { createOwnRecords, createWidgetStore } from './own-records.ts'
import { createSessionStore } from './sessions.ts'

export interface Store {
  readonly accounts: AccountStore
  readonly sessions: SessionStore
  readonly events: EventStore
  readonly changes: AccountChangeStore
  readonly records: OwnRecords
  readonly widgets: WidgetStore
}

/**
 * What the core asks of the database. Every method rejects with `unavailable` when the database is away, slow or
 * read-only, and with a StoreError, free of what users sent, for a defect.
 */
export function createStore(database: Database, idleTtlSeconds: number): Store {
  return {
    accounts: withStoreFailures(createAccountStore(database)),
    sessions: withStoreFailures(createSessionStore(database, idleTtlSeconds)),
    events: withStoreFailures(createEventStore(database)),
    changes: withStoreFailures(createAccountChangeStore(database)),
    records: withStoreFailures(createOwnRecords(database)),
    widgets: withStoreFailures(createWidgetStore(database)),
  }
}
