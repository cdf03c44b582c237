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
