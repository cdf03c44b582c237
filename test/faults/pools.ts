import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { ask } from './ask.ts'
import type { World } from './world.ts'
import { POOL_MAX } from './world.ts'

/** Less than a statement waits for a lock. */
const HOLD_MS = 900
const TRIES = 4

/** Between two statements of a transaction that goes on, it is so for a moment. */
const IDLE_IN_TRANSACTION = `
  SELECT count(*)::int AS n FROM pg_stat_activity
  WHERE application_name = 'keyturn' AND state LIKE 'idle in%' AND state_change < clock_timestamp() - interval '1 s'`
const WAITING = `
  SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'keyturn' AND wait_event_type = 'Lock'`

/**
 * Whether each replica can still use all of its connections: while a table is locked, as many statements wait for it
 * as the pools may have connections, unless one of them has leaked.
 */
export async function checkPools({ cluster, replicas, traffic }: World): Promise<string[]> {
  const person = traffic.people.find(({ session }) => session !== undefined)
  if (person?.session === undefined) return ['nobody is left to ask']
  const { access } = person.session
  const client = new pg.Client({ connectionString: cluster.url, application_name: 'faults' })
  await client.connect()
  const count = async (sql: string): Promise<number> => (await client.query(sql)).rows[0].n
  const complaints: string[] = []
  try {
    const forgotten = await count(IDLE_IN_TRANSACTION)
    if (forgotten > 0) complaints.push(`${forgotten} connections are idle in a transaction`)
    const all = replicas.length * POOL_MAX
    const askAll = ({ url }: { url: string }) =>
      Array.from({ length: POOL_MAX }, () =>
        ask(url, 'ledger', { path: '/user', access, address: person.address }),
      )
    let most = 0
    // A connection that has leaked is missed each time; one that a busy machine opens late is not.
    for (let tries = 0; tries < TRIES && most < all; tries += 1) {
      await client.query('BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE')
      const answers = replicas.flatMap(askAll)
      const end = performance.now() + HOLD_MS
      while (most < all && performance.now() < end) {
        most = Math.max(most, await count(WAITING))
        await pause(20)
      }
      await client.query('COMMIT')
      await Promise.all(answers)
    }
    if (most < all) complaints.push(`of ${all} connections only ${most} can be used`)
  } finally {
    await client.end()
  }
  return complaints
}
