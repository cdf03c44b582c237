import { once } from 'node:events'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { inspect } from 'node:util'
import t from 'tap'
import { migrate } from '../../src/store/migrate.ts'
import type { Teardown } from '../helpers/postgres.ts'
import { createTestDatabase } from '../helpers/postgres.ts'
import { until } from '../helpers/until.ts'

t.test(
  'four replicas at once on an empty database are all ready, and each migration is applied once',
  async (t) => {
    const { url, pool } = await createTestDatabase(t, 'template1')
    const folder = await folderOf('create table a (n int)', 'create table b (n int)')
    const results = await Promise.all([1, 2, 3, 4].map(() => migrate(url, folder)))
    t.strictSame(results.map(({ applied }) => applied).sort(), [0, 0, 0, 2])
    t.strictSame((await pool.query('select count(*)::int as n from drizzle.__drizzle_migrations')).rows, [
      { n: 2 },
    ])
    t.strictSame((await pool.query('select (select count(*) from a) + (select count(*) from b) as n')).rows, [
      { n: '0' },
    ])
  },
)

t.test('the shipped migrations are found without being told where they are', async (t) => {
  const { url, pool } = await createTestDatabase(t, 'template1')
  const { applied } = await migrate(url)
  t.ok(applied > 0)
  t.strictSame(await migrate(url), { applied: 0 })
  t.strictSame((await pool.query(`select to_regclass('users') is not null as made`)).rows, [{ made: true }])
})

t.test('only what is pending is applied', async (t) => {
  const { url } = await createTestDatabase(t, 'template1')
  t.strictSame(await migrate(url, await folderOf('create table a (n int)')), { applied: 1 })
  const longer = await folderOf('create table a (n int)', 'create table b (n int)')
  t.strictSame(await migrate(url, longer), { applied: 1 })
})

t.test(
  'a migration that fails takes back those before it, says where, and lets the next one have its turn',
  async (t) => {
    const { url, pool } = await createTestDatabase(t, 'template1')
    const broken = await folderOf('create table a (n int)', 'create table b (n nonsense)')
    await t.rejects(migrate(url, broken), {
      message: /could not be migrated: type "nonsense" does not exist \(SQLSTATE 42704\), in: create table b/,
    })
    t.strictSame((await pool.query(`select to_regclass('a') as a`)).rows, [{ a: null }])
    t.strictSame(await migrate(url, await folderOf('create table a (n int)')), { applied: 1 })
  },
)

t.test('a migration that is killed half-way leaves nothing, and the next one applies it', async (t) => {
  const { url, pool } = await createTestDatabase(t, 'template1')
  const killed = migrate(url, await folderOf('create table a (n int)', 'select pg_sleep(60)'))
  killed.catch(() => undefined)
  await until('it is in the middle', async () => {
    const { rowCount } = await pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name = 'keyturn migrate' and wait_event = 'PgSleep'`,
    )
    return rowCount === 1
  })
  await t.rejects(killed)
  t.strictSame((await pool.query(`select to_regclass('a') as a`)).rows, [{ a: null }])
  t.strictSame(await migrate(url, await folderOf('create table a (n int)')), { applied: 1 })
})

t.test('a migration that has to wait for a long transaction lets requests pass meanwhile', async (t) => {
  const { url, pool } = await createTestDatabase(t, 'template1')
  await migrate(url, await folderOf('create table a (n int)'))
  const reader = await pool.connect()
  await reader.query('begin; select * from a')
  const migrating = migrate(url, await folderOf('create table a (n int)', 'alter table a add column m int'))
  const isWaiting = `select from pg_stat_activity
    where datname = current_database() and application_name = 'keyturn migrate' and wait_event_type = 'Lock'`
  const request = await pool.connect()
  await request.query(`set lock_timeout = '1s'`)
  let behind = 0
  await until('requests came while it waited', async () => {
    if ((await pool.query(isWaiting)).rowCount === 1) behind += 1
    await request.query('select * from a')
    return behind >= 2
  })
  await reader.query('commit')
  t.strictSame(await migrating, { applied: 1 })
  reader.release()
  request.release()
})

t.test('a wrong database, user, port or URL is named, and the password never is', async (t) => {
  const { url } = await createTestDatabase(t, 'template1')
  const password = 'hunter2secret'
  const change = (parts: Record<string, string>, database?: string) => {
    const changed = new URL(url)
    if (database) changed.pathname = database
    for (const [name, value] of Object.entries({ password, ...parts })) changed.searchParams.set(name, value)
    return changed.href
  }
  const cases: [string, RegExp][] = [
    [change({}, '/nowhere'), /there is no database "nowhere" at .+: create it, or correct DATABASE_URL/],
    [change({ user: 'nobody_here' }), /refuses the user "nobody_here": check user and password/],
    [change({ port: '1' }), /cannot be reached at .+ \(ENOENT\): is it running/],
    [`postgresql://u:${password}@127.0.0.1:1/db`, /cannot be reached at 127\.0\.0\.1:1 \(ECONNREFUSED\)/],
    [`postgresql://u:${password}@host:port/db`, /DATABASE_URL cannot be read \(Invalid URL\): expected/],
  ]
  for (const [wrong, message] of cases) {
    const error: Error = await migrate(wrong).then(
      () => t.fail('it should not work'),
      (reason) => reason,
    )
    t.match(error.message, message)
    t.notMatch(inspect(error, { depth: 9 }), password)
  }
  await t.rejects(migrate(url, '/no/such/folder'), { message: 'there are no migrations in /no/such/folder' })
})

t.test('with waitSeconds it goes on trying while connections break', async (t) => {
  const { url } = await createTestDatabase(t, 'template1')
  const flaky = await throughProxy(t, url, 3)
  await t.rejects(migrate(flaky), { message: /does not answer/ }, 'and without it, it does not')
  t.ok((await migrate(flaky, undefined, { waitSeconds: 30 })).applied > 0)
})

/** A folder as drizzle-kit writes it, one file for each statement; tools/test.mjs removes it. */
async function folderOf(...statements: string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'migrations-'))
  await mkdir(join(folder, 'meta'))
  const entries = statements.map((_, idx) => ({
    idx,
    version: '7',
    when: idx + 1,
    tag: `${idx}`,
    breakpoints: true,
  }))
  await writeFile(join(folder, 'meta', '_journal.json'), JSON.stringify({ dialect: 'postgresql', entries }))
  for (const [idx, statement] of statements.entries()) await writeFile(join(folder, `${idx}.sql`), statement)
  return folder
}

/** The same database over TCP, behind a proxy that drops the first few connections. */
async function throughProxy(t: Teardown, url: string, drops: number): Promise<string> {
  const socket = `${new URL(url).searchParams.get('host')}/.s.PGSQL.5432`
  let left = drops
  const proxy = createServer((client) => {
    if (left-- > 0) return client.destroy()
    const server = connect(socket)
    pipeline(client, server, client, () => {})
    return client
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  t.teardown(() => proxy.close())
  const address = proxy.address()
  const changed = new URL(url)
  changed.searchParams.set('host', '127.0.0.1')
  changed.searchParams.set('port', String(typeof address === 'object' ? address?.port : address))
  return changed.href
}
