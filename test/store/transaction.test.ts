import { sql } from 'drizzle-orm'
import type { PoolClient } from 'pg'
import t from 'tap'
import { AuthError } from '../../src/core/errors.ts'
import type { Database } from '../../src/store/database.ts'
import { openDatabase } from '../../src/store/database.ts'
import { asStoreFailure, StoreError } from '../../src/store/failure.ts'
import { transaction } from '../../src/store/transaction.ts'
import { gateTo } from '../helpers/gate.ts'
import type { TestStore } from '../helpers/store.ts'
import { openStore } from '../helpers/store.ts'
import { until } from '../helpers/until.ts'

/** A database with one table, and a pool in which a connection that got lost would be missed at once. */
async function openNotes(t: Parameters<typeof openStore>[0]): Promise<TestStore> {
  const stores = await openStore(t, { poolMax: 1 })
  await stores.pool.query('CREATE TABLE notes (text text UNIQUE)')
  return stores
}

const write = (database: Database, text: string) =>
  transaction(database, async (tx) => {
    await tx.execute(sql`INSERT INTO notes VALUES (${text})`)
    return text
  })

const notesIn = async ({ pool }: TestStore) =>
  (await pool.query<{ text: string }>('SELECT text FROM notes ORDER BY text')).rows.map(({ text }) => text)

/** Nothing is checked out, nobody waits, and of the connections that are left the next transaction has one. */
async function isWhole(t: Parameters<typeof openStore>[0], stores: TestStore): Promise<void> {
  const { pool } = stores.database
  t.equal(pool.idleCount, pool.totalCount, 'every connection is back')
  t.equal(pool.waitingCount, 0, 'and nobody waits for one')
  t.equal(await write(stores.database, 'afterwards'), 'afterwards')
  t.same(await notesIn(stores), ['afterwards'], 'and of what failed nothing is there')
}

/** The next connection that is taken from the pool is handed to `change` first. */
function onAcquire({ pool }: Database, change: (client: PoolClient) => void): void {
  pool.once('acquire', change)
}

const cut = (client: PoolClient) => {
  if ('connection' in client) {
    const { stream } = client.connection as { stream: { destroy(): void } }
    stream.destroy()
  }
}

/** The backend of the transaction, ended by somebody else; resolves when the connection knows. */
async function terminate({ pool, database }: TestStore, pid: number): Promise<void> {
  const removed = new Promise((resolve) => database.pool.once('remove', resolve))
  await pool.query('SELECT pg_terminate_backend($1)', [pid])
  await Promise.race([removed, untilGone(pool, pid)])
}

async function untilGone(pool: TestStore['pool'], pid: number): Promise<void> {
  const alive = () => pool.query('SELECT FROM pg_stat_activity WHERE pid = $1', [pid])
  await until('the backend has ended', async () => (await alive()).rowCount === 0)
}

t.test('what the work returns is returned, and committed', async (t) => {
  const stores = await openNotes(t)
  t.equal(await write(stores.database, 'a note'), 'a note')
  t.same(await notesIn(stores), ['a note'])
})

t.test('what the work throws is thrown on, and nothing of it is left', async (t) => {
  for (const thrown of [new AuthError('invalid_token'), new TypeError('a defect'), 'not an error']) {
    const stores = await openNotes(t)
    const failed = transaction(stores.database, async (tx) => {
      await tx.execute(sql`INSERT INTO notes VALUES ('lost')`)
      throw thrown
    })
    t.equal(await failed.catch((error: unknown) => error), thrown)
    await isWhole(t, stores)
  }
})

t.test('a lawful refusal inside costs no connection', async (t) => {
  const stores = await openNotes(t)
  const pidOf = async () => (await stores.database.pool.query('SELECT pg_backend_pid() AS pid')).rows
  const before = await pidOf()
  await transaction(stores.database, () => Promise.reject(new AuthError('invalid_token'))).catch(() => {})
  t.same(await pidOf(), before)
})

t.test('a statement that Postgres refuses is the error, and nothing is left', async (t) => {
  const stores = await openNotes(t)
  const failed = transaction(stores.database, async (tx) => {
    await tx.execute(sql`INSERT INTO notes VALUES ('lost')`)
    await tx.execute(sql`INSERT INTO notes VALUES ('lost')`)
  })
  await t.rejects(failed, { cause: { code: '23505' } })
  await isWhole(t, stores)
})

t.test('a transaction that Postgres has given up is no success, whatever the work makes of it', async (t) => {
  const stores = await openNotes(t)
  const failed = transaction(stores.database, async (tx) => {
    await tx.execute(sql`INSERT INTO notes VALUES ('lost')`)
    await tx.execute(sql`INSERT INTO notes VALUES ('lost')`).catch(() => 'never mind')
    return 'done'
  })
  await t.rejects(failed, new StoreError('25P02', undefined))
  await isWhole(t, stores)
})

t.test('a COMMIT that is refused is the error', async (t) => {
  const stores = await openNotes(t)
  await stores.pool.query(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN IF NEW.text = 'refused' THEN RAISE EXCEPTION 'no'; END IF; RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON notes
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`)
  await t.rejects(write(stores.database, 'refused'), { code: 'P0001' })
  await isWhole(t, stores)
})

t.test('a BEGIN that finds the connection gone gives it back', async (t) => {
  const stores = await openNotes(t)
  await write(stores.database, 'x')
  await stores.pool.query('TRUNCATE notes')
  onAcquire(stores.database, cut)
  const failed = await write(stores.database, 'lost').catch((error: unknown) => error)
  t.match(asStoreFailure(failed), { code: 'unavailable' })
  await isWhole(t, stores)
})

t.test('a connection that is ended in mid-transaction is the error, and is dropped', async (t) => {
  const stores = await openNotes(t)
  const failed = transaction(stores.database, async (tx) => {
    const { rows } = await tx.execute<{ pid: number }>(sql`SELECT pg_backend_pid() AS pid`)
    await tx.execute(sql`INSERT INTO notes VALUES ('lost')`)
    await terminate(stores, rows[0]?.pid ?? 0)
    await tx.execute(sql`INSERT INTO notes VALUES ('too late')`)
  })
  t.match(asStoreFailure(await failed.catch((error: unknown) => error)), { code: 'unavailable' })
  await isWhole(t, stores)
})

t.test('a connection that ends itself in mid-statement is the error, and not its ROLLBACK', async (t) => {
  const stores = await openNotes(t)
  const failed = transaction(stores.database, async (tx) => {
    await tx.execute(sql`INSERT INTO notes VALUES ('lost')`)
    await tx.execute(sql`SELECT pg_terminate_backend(pg_backend_pid())`)
  })
  const error = await failed.catch((thrown: unknown) => thrown)
  t.match(error, { cause: { code: '57P01' } })
  t.match(asStoreFailure(error), { code: 'unavailable' })
  await isWhole(t, stores)
})

t.test('a process that slept through its transaction is told to try again', async (t) => {
  const stores = await openNotes(t)
  const { url } = await gateTo(t, stores.url)
  // By TCP, as where Postgres is another machine: its last word is read after the next statement was sent.
  const database = openDatabase({ url, poolMax: 1, onIdleError: () => undefined })
  t.teardown(() => database.close())
  const failed = transaction(database, async (tx) => {
    await tx.execute(sql`SET idle_in_transaction_session_timeout = '50ms'`)
    await tx.execute(sql`INSERT INTO notes VALUES ('lost')`)
    // As on a machine that is halted for a while: nothing runs here, and Postgres does not wait.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    await tx.execute(sql`INSERT INTO notes VALUES ('too late')`)
  })
  const error = await failed.catch((thrown: unknown) => thrown)
  t.match(asStoreFailure(error), { code: 'unavailable' })
  await isWhole(t, { ...stores, database })
})

t.test('who cannot have a connection within a second is told so, and waits no longer', async (t) => {
  const stores = await openNotes(t)
  const holder = await stores.database.pool.connect()
  const began = performance.now()
  const refused = await write(stores.database, 'lost').catch((error: unknown) => asStoreFailure(error))
  t.match(refused, { code: 'unavailable' })
  t.ok(performance.now() - began < 2000)
  holder.release()
  await isWhole(t, stores)
})
