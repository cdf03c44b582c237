import type { Database } from './database.ts'

const MARK_SEEN = `
  WITH seen AS (SELECT * FROM unnest($1::uuid[], $2::integer[]) AS seen (id, generation)), free AS (
    SELECT s.id, least(seen.generation, s.generation) AS generation
    FROM seen JOIN sessions s ON s.id = seen.id
    WHERE s.seen_generation < least(seen.generation, s.generation)
    ORDER BY s.id
    FOR UPDATE OF s SKIP LOCKED
  ), marked AS (
    UPDATE sessions s SET seen_generation = free.generation FROM free WHERE s.id = free.id
  )
  SELECT s.id FROM seen JOIN sessions s ON s.id = seen.id
  WHERE s.seen_generation < least(seen.generation, s.generation) AND s.id NOT IN (SELECT id FROM free)`

/**
 * Notes that access tokens of these generations have arrived. A row that somebody holds at this moment is left out.
 * @returns the ids that were left out, to be noted again
 */
export async function markSeen({ pool }: Database, seen: ReadonlyMap<string, number>): Promise<string[]> {
  const values = [[...seen.keys()], [...seen.values()]]
  const { rows } = await pool.query<{ id: string }>({ name: 'mark_seen', text: MARK_SEEN, values })
  return rows.map(({ id }) => id)
}
