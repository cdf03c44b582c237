import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbeddedPostgres } from '../../src/store/embedded.ts'
import { migrate } from '../../src/store/migrate.ts'

/** What we need of tap's `t`. */
export type Teardown = { teardown(work: () => unknown): void }

/**
 * A migrated, empty database of the test's own, dropped in teardown together with whoever is still connected.
 * The template `template1` gives one without any table. The pool connects when it is first used, and is closed before the drop.
 */
export async function createTestDatabase(
  t: Teardown,
  template: string | undefined = process.env['TEST_TEMPLATE'],
): Promise<{ url: string; pool: pg.Pool }> {
  const admin = process.env['TEST_DATABASE_URL']
  if (!admin || !template) throw new Error('this test needs the database of `npm test -- <file>`')
  const name = `kt_${randomBytes(8).toString('hex')}`
  await execute(admin, `create database ${name} template ${template} strategy file_copy`)
  const url = new URL(admin)
  url.pathname = `/${name}`
  const pool = new pg.Pool({ connectionString: url.href })
  pool.on('error', () => {})
  t.teardown(async () => {
    await pool.end()
    await execute(admin, `drop database ${name} with (force)`)
  })
  return { url: url.href, pool }
}

/**
 * The URL of a migrated, empty database on a server of the test's own, which stops in teardown; tools/test.mjs removes
 * its files. For tests that count dead row versions: PostgreSQL keeps them as long as a transaction that writes is open
 * in any database of the server, and other tests hold such ones.
 */
export async function startOwnPostgres(t: Teardown): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'own-'))
  // Passable, because Postgres runs as somebody else when we are root.
  await chmod(home, 0o711)
  const settings = { autovacuum: 'off' }
  const postgres = await startEmbeddedPostgres({ dataDir: join(home, 'data'), durable: false, settings })
  t.teardown(() => postgres.stop())
  await migrate(postgres.url)
  return postgres.url
}

/** The same database, for a service that waits for a lock longer than a machine, however busy, holds one up. */
export function patiently(databaseUrl: string): string {
  const url = new URL(databaseUrl)
  for (const limit of ['lock_timeout', 'statement_timeout', 'query_timeout'])
    url.searchParams.set(limit, '60000')
  return url.href
}

async function execute(url: string, sql: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
