import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import type { Test } from 'tap'
import { v7 as uuidV7 } from 'uuid'
import type { Caller, LoginCounters, NewAccount, NewSession, PasswordHash } from '../../src/core/ports.ts'
import type { Database } from '../../src/store/database.ts'
import { openDatabase } from '../../src/store/database.ts'
import type { Store } from '../../src/store/store.ts'
import { createStore } from '../../src/store/store.ts'
import { createTestDatabase, patiently } from './postgres.ts'
import { until } from './until.ts'

export const CALLER: Caller = { ip: '192.0.2.1', userAgent: 'tests' }
export const IDLE_TTL_SECONDS = 30 * 24 * 3600
/** Nobody compares it: stores take hashes as they come. */
export const HASH = 'bcrypt_sha256$of a test' as PasswordHash

export interface TestStore {
  readonly store: Store
  /** What the store works with. */
  readonly database: Database
  /** Connections of somebody else, without the time limits of the service. */
  readonly pool: pg.Pool
  readonly url: string
}

/** The store over a database of the test's own; `patient` where a test holds a lock that it waits for. */
export async function openStore(t: Test, { poolMax = 10, patient = false } = {}): Promise<TestStore> {
  const { url, pool } = await createTestDatabase(t)
  const database = openDatabase({
    url: patient ? patiently(url) : url,
    poolMax,
    onIdleError: () => undefined,
  })
  t.teardown(() => database.close())
  return { store: createStore(database, IDLE_TTL_SECONDS), database, pool, url }
}

/** An account to be created, active and with a verified address unless `changes` say otherwise. */
export function newAccount(changes: Partial<NewAccount> = {}): NewAccount {
  const name = `user${randomUUID().slice(0, 8)}`
  return {
    username: name,
    usernameKey: name,
    email: `${name}@example.org`,
    emailKey: `${name}@example.org`,
    emailVerified: true,
    activated: true,
    passwordHash: HASH,
    firstName: '',
    lastName: '',
    profile: {},
    ...changes,
  }
}

/** Creates it and gives its id. */
export async function accountIn({ store }: TestStore, changes: Partial<NewAccount> = {}): Promise<number> {
  const account = await store.accounts.create(newAccount(changes), undefined, CALLER)
  if (typeof account === 'string') throw new Error(account)
  return account.id
}

export function newSession(userId: number, changes: Partial<NewSession> = {}): NewSession {
  return { id: uuidV7(), userId, rotates: true, ttlSeconds: 3600, caller: CALLER, ...changes }
}

/** A living session at generation 0, of an account of its own unless `userId` names one; gives its id. */
export async function sessionIn(
  stores: TestStore,
  { userId, ...changes }: Partial<NewSession> = {},
): Promise<string> {
  const session = newSession(userId ?? (await accountIn(stores)), changes)
  await stores.store.sessions.createFirst(session)
  return session.id
}

/** So many of one account, in one statement: a busy machine has no connection for each within the limit of the store. */
export async function sessionsIn(stores: TestStore, userId: number, count: number): Promise<string[]> {
  const { rows } = await stores.pool.query<{ id: string }>(
    `INSERT INTO sessions (id, user_id, created_at, rotated_at, expires_at, rotates, ip, user_agent, label)
     SELECT gen_random_uuid(), $1, now(), now(), now() + interval '1 hour', true, $2, $3, ''
     FROM generate_series(1, $4) RETURNING id`,
    [userId, CALLER.ip, CALLER.userAgent, count],
  )
  return rows.map(({ id }) => id)
}

/** Counters nobody else uses. */
export function loginCounters(): LoginCounters {
  return { unknown: randomUUID(), device: randomUUID() }
}

export interface OpenTransaction {
  query(sql: string, values?: unknown[]): Promise<unknown>
  commit(): Promise<void>
  rollback(): Promise<void>
}

/** A transaction of somebody else, which has run the statement and stays open until it is told to end. */
export async function beginElsewhere(
  t: Test,
  pool: pg.Pool,
  sql: string,
  values: unknown[] = [],
): Promise<OpenTransaction> {
  const client = await pool.connect()
  let open = true
  const end = async (how: string) => {
    if (!open) return
    open = false
    await client.query(how)
    client.release()
  }
  t.teardown(() => end('ROLLBACK'))
  await client.query('BEGIN')
  await client.query(sql, values)
  return {
    query: async (text, more = []) => (await client.query(text, more)).rows,
    commit: () => end('COMMIT'),
    rollback: () => end('ROLLBACK'),
  }
}

/** Until so many connections to this database wait for a lock that another one holds. */
export async function untilWaiting(pool: pg.Pool, count = 1): Promise<void> {
  await until(`${count} wait for a lock`, async () => {
    const { rows } = await pool.query<{ waiting: number }>(
      `SELECT count(*)::int AS waiting FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    )
    return (rows[0]?.waiting ?? 0) >= count
  })
}

/** Has every commit that touched the table take so long: a trigger at the end of the transaction. */
export async function slowCommits(pool: pg.Pool, table: string, ms: number): Promise<void> {
  await pool.query(`
    CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_sleep(${ms / 1000}); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT OR UPDATE ON ${table}
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()`)
}

/** Statements that the service sends from now on by the names they are prepared under, first to last. */
export function watchStatements({ pool }: Database): string[] {
  const names: string[] = []
  const query = pool.query.bind(pool)
  Object.assign(pool, {
    query: (...args: Parameters<typeof query>) => {
      const [statement]: readonly unknown[] = args
      const name =
        typeof statement === 'object' && statement !== null && 'name' in statement && statement.name
      names.push(typeof name === 'string' ? name : 'nameless')
      return query(...args)
    },
  })
  return names
}

/** How many statements have updated the table since, whoever sent them. */
export async function countUpdates(pool: pg.Pool, table: string): Promise<() => Promise<number>> {
  await pool.query(`
    CREATE TABLE updates ();
    CREATE FUNCTION note_update() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN INSERT INTO updates DEFAULT VALUES; RETURN NULL; END $$;
    CREATE TRIGGER note_update AFTER UPDATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION note_update()`)
  return async () => (await pool.query('SELECT FROM updates')).rowCount ?? 0
}
