import type { Pool } from 'pg'

/** What a service asks by itself, in rounds of its own, whoever comes. */
const OF_ROUNDS = /revoked|mark_seen|outbox|letter|due|sweep|DELETE|pg_is_in_recovery/i

/** Keeps the statements that requests ask by the pool from now on, until `stop`. */
export function watchRequests(pool: Pool) {
  const statements: string[] = []
  const query = pool.query.bind(pool)
  Object.assign(pool, {
    query: (...args: Parameters<typeof query>) => {
      statements.push(JSON.stringify(args[0]))
      return query(...args)
    },
  })
  return {
    asked: () => statements.filter((each) => !OF_ROUNDS.test(each)),
    stop: () => void Object.assign(pool, { query }),
  }
}
