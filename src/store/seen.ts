import type { Database } from './database.ts'

const MARK_SEEN = `
  WITH seen AS (SELECT * FROM unnest($1::uuid[], $2::integer[]) AS seen (id, generation)), free AS (
    SELECT s.id, least(seen.generation, s.generation) AS generation
    FROM seen JOIN sessions s ON s.id = seen.id
    WHERE s.seen_generation < least(seen.generation, s.generation)
    ORDER BY s.id
    FOR UPDATE OF s SKIP LOCKED
  )
  UPDATE sessions s SET seen_generation = free.generation FROM free WHERE s.id = free.id`

/**
 * Notes that access tokens of these generations have arrived. A row that is being rotated at this moment is left
 * out: the generation that comes of it will be seen in its turn, and losing a note is harmless.
 */
export async function markSeen({ pool }: Database, seen: ReadonlyMap<string, number>): Promise<void> {
  await pool.query({ name: 'mark_seen', text: MARK_SEEN, values: [[...seen.keys()], [...seen.values()]] })
}
