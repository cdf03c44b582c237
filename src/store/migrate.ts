import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { DrizzleQueryError } from 'drizzle-orm/errors'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate as applyPending } from 'drizzle-orm/node-postgres/migrator'
import pg from 'pg'

export type MigrateOptions = {
  /** How long to go on trying, in seconds, while Postgres cannot be reached or is starting up. */
  waitSeconds?: number
}

/**
 * Brings the database to the newest migration. Any number of replicas may call it at once: they take turns, the
 * first applies what is pending in one transaction, the others find nothing to do. The connection must be direct or
 * pooled by session, because the turn is a lock of the session.
 *
 * @returns how many migrations this call applied.
 * @throws Error for a person: what is wrong with which database and what to do, never with the URL's password.
 */
export async function migrate(
  databaseUrl: string,
  migrationsFolder: string = MIGRATIONS,
  { waitSeconds = 0 }: MigrateOptions = {},
): Promise<{ applied: number }> {
  const client = await connect(databaseUrl, waitSeconds)
  try {
    await takeTurn(client)
    const before = await countApplied(client)
    await applyWhenFree(client, migrationsFolder)
    return { applied: (await countApplied(client)) - before }
  } catch (error) {
    throw explain(error, client, migrationsFolder)
  } finally {
    // On a broken connection this fails, and the server has then dropped the lock by itself.
    await client.query('select pg_advisory_unlock($1)', [MIGRATION_LOCK]).catch(() => {})
    await client.end().catch(() => {})
  }
}

/** Beside package.json, seen from src/store and from dist/store alike. */
const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url))

/** "keyturn" in ASCII: advisory locks are shared by all programs on a database, so the number has to be an odd one. */
const MIGRATION_LOCK = '30229394827342446'

async function connect(databaseUrl: string, waitSeconds: number): Promise<pg.Client> {
  const patience = AbortSignal.timeout(waitSeconds * 1_000)
  for (;;) {
    const client = newClient(databaseUrl)
    try {
      await client.connect()
      return client
    } catch (error) {
      if (waitSeconds === 0 || patience.aborted || !mayPass(error)) throw explain(error, client)
      await pause(100)
    }
  }
}

function newClient(connectionString: string): pg.Client {
  try {
    const client = new pg.Client({
      connectionString,
      connectionTimeoutMillis: 5_000,
      application_name: 'keyturn migrate',
    })
    // A connection that breaks between two queries would otherwise end the process; the next query reports it.
    client.on('error', () => {})
    return client
  } catch (error) {
    // Without `cause`, which may quote the URL.
    const reason = error instanceof Error ? error.message : 'unknown'
    throw new Error(
      `DATABASE_URL cannot be read (${reason}): expected postgresql://user:password@host:port/database`,
    )
  }
}

async function takeTurn(client: pg.Client): Promise<void> {
  // A role's own statement_timeout is meant for requests, not for DDL or for waiting one's turn.
  await client.query(`set statement_timeout = 0; set lock_timeout = '30s'`)
  await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK])
  await client.query(`set lock_timeout = '${LOCK_WITHIN_MS}ms'`)
}

/** DDL that waits for one long transaction makes every later query wait behind it; those of requests give up after a second. */
const LOCK_WITHIN_MS = 500
const BETWEEN_TRIES_MS = 1000
const FREE_WITHIN_MS = 30_000

async function applyWhenFree(client: pg.Client, migrationsFolder: string): Promise<void> {
  const patience = AbortSignal.timeout(FREE_WITHIN_MS)
  for (;;) {
    try {
      return await applyPending(drizzle(client), { migrationsFolder })
    } catch (error) {
      if (patience.aborted || codeOf(causeOf(error)) !== '55P03') throw error
      await pause(BETWEEN_TRIES_MS)
    }
  }
}

async function countApplied(client: pg.Client): Promise<number> {
  const found = await client.query(`select to_regclass('drizzle.__drizzle_migrations') is not null as exists`)
  if (!found.rows[0].exists) return 0
  return (await client.query('select count(*)::int as n from drizzle.__drizzle_migrations')).rows[0].n
}

const NOT_THERE =
  /^(?:ECONNREFUSED|ECONNRESET|ENOENT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)$/

/** Starting up, shutting down, full, or not there yet: what a database does while its machine starts. */
function mayPass(error: unknown): boolean {
  const code = codeOf(error) ?? ''
  return /^(?:57P0[123]|53300)$/.test(code) || NOT_THERE.test(code) || isSilence(error)
}

function isSilence(error: unknown): boolean {
  return error instanceof Error && /timeout expired|Connection terminated/.test(error.message)
}

function explain(error: unknown, client: pg.Client, migrationsFolder = MIGRATIONS): Error {
  const cause = causeOf(error)
  const code = codeOf(cause)
  const message = cause instanceof Error ? cause.message : String(cause)
  const where = client.host.startsWith('/') ? client.host : `${client.host}:${client.port}`
  const say = (text: string) => new Error(text, { cause })
  if (code !== undefined && NOT_THERE.test(code)) {
    return say(`Postgres cannot be reached at ${where} (${code}): is it running, and is DATABASE_URL right?`)
  }
  if (isSilence(cause)) {
    return say(`Postgres at ${where} does not answer (${message}): is it running, and is DATABASE_URL right?`)
  }
  switch (code) {
    case '28P01':
    case '28000':
      return say(
        `Postgres at ${where} refuses the user "${client.user}": check user and password in DATABASE_URL`,
      )
    case '3D000':
      return say(`there is no database "${client.database}" at ${where}: create it, or correct DATABASE_URL`)
    case '42501':
      return say(`the user "${client.user}" may not migrate the database "${client.database}": ${message}`)
    case '55P03':
      return say(
        `the database "${client.database}" is busy: another Keyturn has been migrating it for 30 s, or another ` +
          'session has held a table for so long. Nothing was changed: start again when it has finished',
      )
  }
  if (message.includes('_journal.json')) return say(`there are no migrations in ${migrationsFolder}`)
  const statement = error instanceof DrizzleQueryError ? `, in: ${error.query.trim().slice(0, 120)}` : ''
  return say(
    `the database "${client.database}" at ${where} could not be migrated: ${message}` +
      `${code === undefined ? '' : ` (SQLSTATE ${code})`}${statement}`,
  )
}

function causeOf(error: unknown): unknown {
  return error instanceof DrizzleQueryError ? error.cause : error
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
