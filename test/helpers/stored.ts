import type { Pool } from 'pg'

/** Every row of every table as text: what whoever has a dump of the database can read. */
export async function everythingStored(pool: Pool): Promise<string> {
  const { rows: tables } = await pool.query<{ name: string }>(
    `SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename`,
  )
  const texts: string[] = []
  for (const { name } of tables) {
    const { rows } = await pool.query<{ row: string }>(`SELECT t::text AS row FROM ${name} t`)
    texts.push(name, ...rows.map(({ row }) => row).sort())
  }
  return texts.join('\n')
}

/** What only a deed changes, and neither the passing of time nor a letter that goes out. */
export async function changedByDeeds(pool: Pool): Promise<unknown[]> {
  const { rows } = await pool.query(
    `SELECT u.*, (SELECT count(*)::int FROM outbox) AS letters,
       (SELECT json_agg(json_build_array(s.id, generation, revoked_at, expires_at) ORDER BY s.id)
        FROM sessions s WHERE s.user_id = u.id) AS sessions,
       (SELECT json_agg(w.*) FROM widgets w WHERE w.user_id = u.id) AS widgets
     FROM users u ORDER BY id`,
  )
  return rows
}
