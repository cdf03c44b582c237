import { setTimeout as pause } from 'node:timers/promises'
import type { Fault } from './fault.ts'

const OUTAGE_MS = 5000

/** What happens to the database itself. */
export const postgresFaults: readonly Fault[] = [
  {
    name: 'Postgres restarted under load',
    async happen({ cluster }) {
      await cluster.stop()
      await cluster.start()
    },
    promise: { answerWithinMs: 3000, recoverWithinMs: 2000 },
  },
  {
    name: 'Postgres killed (-9), back after 5 s',
    async happen({ cluster }) {
      await cluster.kill()
      await pause(OUTAGE_MS)
      await cluster.start()
    },
    promise: { answerWithinMs: 3000, recoverWithinMs: 2000 },
  },
  {
    name: 'Postgres stopped for 5 s (SIGSTOP)',
    async happen({ cluster }) {
      await cluster.freeze()
      await pause(OUTAGE_MS)
      await cluster.thaw()
    },
    promise: { answerWithinMs: 3000, recoverWithinMs: 2000 },
  },
  {
    name: 'Postgres read-only for 5 s',
    async happen({ cluster }) {
      await cluster.query('ALTER SYSTEM SET default_transaction_read_only = on')
      await cluster.query('SELECT pg_reload_conf()')
      await pause(OUTAGE_MS)
      await cluster.query('ALTER SYSTEM RESET default_transaction_read_only')
      await cluster.query('SELECT pg_reload_conf()')
    },
    promise: { answerWithinMs: 3000, recoverWithinMs: 2000 },
  },
  {
    name: 'Counters of the guards locked for 5 s',
    async happen({ cluster }) {
      await cluster.query(
        `BEGIN; LOCK TABLE counters IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(${OUTAGE_MS / 1000})`,
      )
    },
    promise: { answerWithinMs: 3000, recoverWithinMs: 2000 },
  },
]
