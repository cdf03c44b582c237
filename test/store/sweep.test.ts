import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import t from 'tap'
import { openDatabase } from '../../src/store/database.ts'
import { createSweep } from '../../src/store/sweep.ts'
import { somebody } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import { get, post } from '../helpers/client.ts'
import { createTestDatabase } from '../helpers/postgres.ts'
import { until } from '../helpers/until.ts'

const DAY = 24 * 3600
const AGES = { unverifiedTtlSeconds: 7 * DAY, refreshIdleTtlSeconds: 30 * DAY, accessTtlSeconds: 900 }

type Subject = Parameters<typeof createTestDatabase>[0]

/** A database of its own, and as many sweeps as replicas would have. */
async function sweepable(t: Subject, replicas = 1) {
  const { url, pool } = await createTestDatabase(t)
  const sweeps = Array.from({ length: replicas }, () => {
    const database = openDatabase({ url, poolMax: 4, onIdleError: () => undefined })
    t.teardown(() => database.close())
    return createSweep(database, AGES)
  })
  const [first] = sweeps
  if (first === undefined) throw new Error('no sweep')
  return { pool, sweep: first, sweeps }
}

interface Account {
  readonly age: string
  readonly activated?: boolean
  readonly verified?: boolean
  readonly disabled?: boolean
  readonly erased?: string
}

async function addAccount(
  pool: pg.Pool,
  { age, activated, verified, disabled, erased }: Account,
): Promise<number> {
  const name = randomUUID()
  const { rows } = await pool.query(
    `INSERT INTO users (username, username_key, email, email_key, password_hash, created_at, activated_at,
                        email_verified_at, disabled_at, erased_at)
     VALUES ($1, $1, $1 || '@example.org', $1 || '@example.org', '!', now() - $2::interval,
             CASE WHEN $3 THEN now() END, CASE WHEN $4 THEN now() END, CASE WHEN $5 THEN now() END,
             now() - $6::interval)
     RETURNING id`,
    [name, age, activated === true, verified === true, disabled === true, erased],
  )
  return Number(rows[0].id)
}

interface Session {
  readonly ends: string
  readonly rotated: string
  readonly revoked?: string
  readonly rotates?: boolean
}

async function addSession(pool: pg.Pool, userId: number, session: Session): Promise<string> {
  const { rows } = await pool.query(
    `INSERT INTO sessions (id, user_id, created_at, expires_at, rotates, rotated_at, revoked_at, ip, user_agent)
     VALUES ($1, $2, now() - interval '200 days', now() + $3::interval, $4, now() - $5::interval, now() - $6::interval,
             '192.0.2.1', 'test') RETURNING id`,
    [randomUUID(), userId, session.ends, session.rotates ?? true, session.rotated, session.revoked],
  )
  return rows[0].id
}

async function idsIn(pool: pg.Pool, table: 'users' | 'sessions' | 'events' | 'outbox'): Promise<unknown[]> {
  const { rows } = await pool.query(`SELECT id FROM ${table}`)
  return rows.map(({ id }) => (table === 'users' ? Number(id) : id)).sort()
}

t.test(
  'an account that was never confirmed goes with UNVERIFIED_TTL, and no other account does',
  async (t) => {
    const { pool, sweep } = await sweepable(t)
    await addAccount(pool, { age: '8 days' })
    const kept = [
      await addAccount(pool, { age: '6 days' }),
      await addAccount(pool, { age: '8 days', activated: true, verified: true }),
      await addAccount(pool, { age: '900 days', activated: true, verified: true }),
      await addAccount(pool, { age: '900 days', activated: true }),
      await addAccount(pool, { age: '900 days', disabled: true }),
      await addAccount(pool, { age: '900 days', verified: true }),
    ]
    t.same(await sweep.round(), { unconfirmed_accounts: 1 })
    t.same(await idsIn(pool, 'users'), kept.sort(), 'neither confirmed, nor active, nor disabled, nor young')
    t.same(await sweep.round(), {}, 'and then there is nothing left to do')
  },
)

t.test('with the account goes what belongs to it, and its user name is free', async (t) => {
  const service = await startApp(t, { UNVERIFIED_TTL: '7d' })
  const person = somebody()
  t.equal((await post(`${service.url}/register`, { ...person })).status, 201)
  const again = { ...person, email: somebody().email }
  t.match(await post(`${service.url}/register`, again), {
    status: 400,
    body: { errors: { username: [/already exists/] } },
  })
  const { pool } = service.app.database
  await pool.query(`UPDATE users SET created_at = now() - interval '8 days'`)
  t.match(await createSweep(service.app.database, AGES).round(), { unconfirmed_accounts: 1 })
  const { rows } = await pool.query(
    'SELECT (SELECT count(*)::int FROM users) + (SELECT count(*)::int FROM outbox) AS left',
  )
  t.same(rows, [{ left: 0 }])
  t.equal((await post(`${service.url}/register`, again)).status, 201, 'somebody else may have it')
})

t.test('an account that is confirmed at that moment stays, whoever is faster', async (t) => {
  const { pool, sweep } = await sweepable(t)
  const held = await addAccount(pool, { age: '8 days' })
  const client = await pool.connect()
  await client.query('BEGIN')
  await client.query('UPDATE users SET activated_at = now() WHERE id = $1', [held])
  t.same(await sweep.round(), {}, 'it does not wait for the row that is being confirmed')
  await client.query('COMMIT')
  client.release()
  t.same(await idsIn(pool, 'users'), [held])

  const ids = await Promise.all(Array.from({ length: 300 }, () => addAccount(pool, { age: '8 days' })))
  const confirm = (id: number) =>
    pool.query(
      'UPDATE users SET activated_at = now(), email_verified_at = now() WHERE id = $1 RETURNING id',
      [id],
    )
  const [, ...confirmed] = await Promise.all([sweep.round(), ...ids.map(confirm)])
  const told = confirmed.flatMap(({ rows }) => rows.map(({ id }) => Number(id)))
  const left = await idsIn(pool, 'users')
  t.same(
    told.filter((id) => !left.includes(id)),
    [],
    `${told.length} of 300 were confirmed, and each of them is there`,
  )
})

t.test('a session goes when it has been over for 30 days, however it ended', async (t) => {
  const { pool, sweep } = await sweepable(t)
  const user = await addAccount(pool, { age: '900 days', activated: true, verified: true })
  const over: Session[] = [
    { ends: '-31 days', rotated: '40 days' },
    { ends: '-31 days', rotated: '0 days', rotates: false },
    { ends: '10 days', rotated: '40 days', revoked: '31 days' },
    { ends: '10 days', rotated: '61 days' },
  ]
  const kept: Session[] = [
    { ends: '10 days', rotated: '0 days' },
    { ends: '10 days', rotated: '29 days' },
    { ends: '10 days', rotated: '59 days' },
    { ends: '10 days', rotated: '900 days', rotates: false },
    { ends: '10 days', rotated: '0 days', revoked: '29 days' },
    { ends: '-29 days', rotated: '40 days' },
  ]
  for (const session of over) await addSession(pool, user, session)
  const ids = await Promise.all(kept.map((session) => addSession(pool, user, session)))
  t.same(await sweep.round(), { expired_sessions: 2, revoked_sessions: 1, idle_sessions: 1 })
  t.same(await idsIn(pool, 'sessions'), ids.sort())
})

t.test('the walk past idle sessions gets round a table of any size, and begins again', async (t) => {
  const { pool, sweep } = await sweepable(t)
  const user = await addAccount(pool, { age: '900 days', activated: true })
  await pool.query(
    `INSERT INTO sessions (id, user_id, created_at, expires_at, rotates, rotated_at, ip, user_agent)
     SELECT gen_random_uuid(), $1, now(), now() + interval '1 day', true,
            now() - CASE WHEN i % 20 = 0 THEN interval '70 days' ELSE interval '1 day' END, '192.0.2.1', 'test'
     FROM generate_series(1, 12000) AS i`,
    [user],
  )
  const first = await sweep.round()
  const second = await sweep.round()
  t.equal((first['idle_sessions'] ?? 0) + (second['idle_sessions'] ?? 0), 600)
  t.ok((first['idle_sessions'] ?? 0) < 600, 'it takes more than one round')
  await addSession(pool, user, { ends: '10 days', rotated: '61 days' })
  await sweep.round()
  await sweep.round()
  t.equal((await idsIn(pool, 'sessions')).length, 11_400)
})

t.test('events, letters, counters, former addresses, erased accounts: each has its time', async (t) => {
  const { pool, sweep } = await sweepable(t)
  const user = await addAccount(pool, { age: '900 days', activated: true, verified: true })
  await addAccount(pool, { age: '900 days', disabled: true, erased: '25 hours' })
  const erased = await addAccount(pool, { age: '900 days', disabled: true, erased: '23 hours' })
  for (const age of ['181 days', '179 days']) {
    await pool.query(
      `INSERT INTO events (id, at, kind, user_id, ip, user_agent) VALUES ($1, now() - $2::interval, 'login', $3, '192.0.2.1', '')`,
      [randomUUID(), age, user],
    )
  }
  const letters: [age: string, closed: 'sent_at' | 'failed_at' | undefined][] = [
    ['8 days', 'sent_at'],
    ['8 days', 'failed_at'],
    ['6 days', 'sent_at'],
    ['800 days', undefined],
  ]
  for (const [age, closed] of letters) {
    const id = randomUUID()
    await pool.query(
      `INSERT INTO outbox (id, kind, user_id, created_at) VALUES ($1, 'verification', $2, now() - $3::interval)`,
      [id, user, age],
    )
    if (closed !== undefined) await pool.query(`UPDATE outbox SET ${closed} = created_at WHERE id = $1`, [id])
  }
  await pool.query(
    `INSERT INTO counters VALUES ('over', 3, now() - interval '1 second'), ('open', 3, now() + interval '1 minute')`,
  )
  for (const age of ['8 days', '6 days']) {
    await pool.query(
      `INSERT INTO former_emails (id, user_id, email, email_key, replaced_at) VALUES ($1, $2, '', '', now() - $3::interval)`,
      [randomUUID(), user, age],
    )
    await pool.query(
      `INSERT INTO mailbox (id, "to", subject, text, html, links, sent_at) VALUES ($1, '', '', '', '', '{}', now() - $2::interval)`,
      [randomUUID(), age],
    )
  }

  t.same(await sweep.round(), {
    erased_accounts: 1,
    events: 1,
    letters: 2,
    counters: 1,
    former_emails: 1,
    mailbox: 1,
  })
  t.same(await idsIn(pool, 'users'), [user, erased].sort())
  t.equal((await idsIn(pool, 'outbox')).length, 2, 'a letter that waits is never forgotten')
  t.same((await pool.query('SELECT key FROM counters')).rows, [{ key: 'open' }])
  t.same(await sweep.round(), {})
})

t.test('a flood goes in batches, and two replicas at once share it without a conflict', async (t) => {
  const { pool, sweeps } = await sweepable(t, 2)
  const living = await addAccount(pool, { age: '8 days', activated: true, verified: true })
  await pool.query(
    `INSERT INTO users (username, username_key, password_hash, created_at)
     SELECT i, i, '!', now() - interval '8 days' FROM generate_series(1, 12345) AS i`,
  )
  const removed = await Promise.all(sweeps.map((sweep) => sweep.round()))
  const counts = removed.map((swept) => swept['unconfirmed_accounts'] ?? 0)
  t.ok(Math.max(...counts) <= 10_000, 'no more than 20 batches of 500 in one round')
  for (let round = 0; round < 3; round += 1) {
    for (const sweep of sweeps) counts.push((await sweep.round())['unconfirmed_accounts'] ?? 0)
  }
  t.equal(
    counts.reduce((sum, each) => sum + each, 0),
    12_345,
    'each was removed by exactly one of them',
  )
  t.same(await idsIn(pool, 'users'), [living])
})

t.test('while another replica is at it, a round does nothing', async (t) => {
  const { pool, sweep } = await sweepable(t)
  await addAccount(pool, { age: '8 days' })
  const other = await pool.connect()
  await other.query('BEGIN')
  await other.query('SELECT pg_advisory_xact_lock(30229394827342447)')
  t.same(await sweep.round(), {})
  await other.query('COMMIT')
  other.release()
  t.same(await sweep.round(), { unconfirmed_accounts: 1 })
})

t.test(
  'the sweeper runs by itself, survives a database that fails, and stops with the service',
  async (t) => {
    const world = { now: Date.now, random: () => 0 }
    // There before the first service is: of two rounds at once one passes over what the other has in hand.
    const { url: databaseUrl, pool } = await createTestDatabase(t)
    await addAccount(pool, { age: '2 minutes' })
    const service = await startApp(t, { UNVERIFIED_TTL: '1m' }, { world, databaseUrl })
    await until(
      'the account is removed: the first round comes at once, for chance said zero',
      async () => (await idsIn(pool, 'users')).length === 0,
      10,
    )
    await service.app.close()
    // A sequence tells of the attempt, for a rollback does not take it back.
    await pool.query(`
      CREATE SEQUENCE attempts;
      CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM nextval('attempts'); RAISE EXCEPTION 'away'; END $$;
      CREATE TRIGGER fail BEFORE DELETE ON users FOR EACH STATEMENT EXECUTE FUNCTION fail()`)
    const other = await startApp(t, { UNVERIFIED_TTL: '1m' }, { world, databaseUrl })
    const attempted = async () => (await pool.query('SELECT is_called FROM attempts')).rows[0].is_called
    await until('a sweep was tried', attempted)
    await untilIdle(other)
    t.equal((await get(`${other.url}/health/live`)).status, 200, 'a round that fails ends nothing')
  },
)

/** Until every connection of the service is back: a round that was under way is over. */
async function untilIdle({ app }: TestApp): Promise<void> {
  const { pool } = app.database
  await until('the pool is idle', () => pool.idleCount === pool.totalCount)
}
