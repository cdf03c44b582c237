import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type pg from 'pg'
import t from 'tap'
import { keyturn } from '../helpers/cli.ts'
import { createTestDatabase } from '../helpers/postgres.ts'

const COLUMNS = `id, username, username_key, email, email_key, email_verified_at, password_hash, first_name, last_name,
  roles, profile, activated_at, disabled_at, created_at, last_login_at`

/** More than a batch, with whatever an account may have. */
async function fill(pool: pg.Pool): Promise<void> {
  await pool.query(`
    INSERT INTO users (id, username, username_key, email, email_key, email_verified_at, password_hash, first_name,
                       last_name, roles, profile, activated_at, disabled_at, created_at, last_login_at)
    SELECT n * 3, 'User' || n, 'user' || n, 'User' || n || '@Example.org', 'user' || n || '@example.org',
           CASE WHEN n % 2 = 0 THEN '2020-01-02 03:04:05.678+00'::timestamptz END, 'bcrypt_sha256$' || n,
           'Zoë "quoted" \\ ' || chr(8232), E'tab\\tline\\nend', CASE WHEN n % 5 = 0 THEN '{admin,"a,b"}'::text[] ELSE '{}' END,
           jsonb_build_object('n', n, 'yes', true, 'text', 'ü'), CASE WHEN n % 7 <> 0 THEN now() END,
           CASE WHEN n % 11 = 0 THEN now() END, now() - n * interval '1 hour', CASE WHEN n % 3 = 0 THEN now() END
    FROM generate_series(1, 2500) n`)
  await pool.query(
    `UPDATE users SET username_key = username_key || ' ' || id, username = 'USER1' WHERE id = 6`,
  )
  await pool.query(`UPDATE users SET erased_at = now() WHERE id = 9`)
  await pool.query(`INSERT INTO widgets (user_id, document) VALUES (3, '{"b":1.0,  "a":[]}')`)
}

const rowsOf = async (pool: pg.Pool) =>
  (
    await pool.query(`SELECT ${COLUMNS}, w.document FROM users LEFT JOIN widgets w ON w.user_id = id
                     WHERE erased_at IS NULL ORDER BY id`)
  ).rows

t.test('what is exported with its hashes comes back without loss', async (t) => {
  const from = await createTestDatabase(t)
  const to = await createTestDatabase(t)
  await fill(from.pool)
  // The key of a shared name is made of that of the name it is shared with.
  await from.pool.query(`UPDATE users SET username_key = 'user1 6' WHERE id = 6`)
  const file = join(t.testdir(), 'accounts.jsonl')

  const exported = await keyturn(['export', 'jsonl', '--to', file, '--with-hashes'], {
    DATABASE_URL: from.url,
  })
  t.match(exported, { code: 0, stdout: '', stderr: /2,499 accounts written/ })
  t.equal((await stat(file)).mode & 0o777, 0o600, 'only you can read it')
  t.match(await keyturn(['export', 'jsonl', '--to', file], { DATABASE_URL: from.url }), {
    code: 65,
    stderr: /there already/,
  })

  const imported = await keyturn(['import', 'jsonl', '--from', file, '--json'], { DATABASE_URL: to.url })
  t.equal(imported.code, 0, imported.stderr)
  t.match(JSON.parse(imported.stdout), { read: 2499, imported: 2499, refused: 0 })
  t.strictSame(await rowsOf(to.pool), await rowsOf(from.pool))
  t.strictSame((await to.pool.query(`SELECT nextval('users_id_seq')::int AS next`)).rows, [{ next: 7501 }])

  const again = await keyturn(['import', 'jsonl', '--from', file, '--json'], { DATABASE_URL: to.url })
  t.match(JSON.parse(again.stdout), { read: 2499, imported: 0, present: 2499 })
})

t.test(
  'whose name is the address of the account shares no name, and claims none where it goes',
  async (t) => {
    const from = await createTestDatabase(t)
    const to = await createTestDatabase(t)
    await from.pool.query(`
    INSERT INTO users (id, username, username_key, email, email_key, email_verified_at, password_hash, first_name,
                       last_name, activated_at)
    SELECT id, 'Ada@example.org', 'address ' || gen_random_uuid(), 'Ada@example.org', 'ada@example.org', verified,
           '!', '', '', now()
    FROM (VALUES (1, NULL), (2, now())) AS t (id, verified)`)
    const { stdout } = await keyturn(['export', 'jsonl'], { DATABASE_URL: from.url })
    t.notMatch(stdout, /username_shared/)
    const ran = await keyturn(['import', 'jsonl', '--from', '-', '--json'], { DATABASE_URL: to.url }, stdout)
    const { imported, remarks } = JSON.parse(ran.stdout)
    t.equal(imported, 2)
    t.notHas(remarks, { username_shared: {} })
    const { rows } = await to.pool.query('SELECT username_key, email_verified_at FROM users ORDER BY id')
    t.match(rows, [
      { username_key: /^address /, email_verified_at: null },
      { username_key: /^address /, email_verified_at: Date },
    ])
  },
)

t.test('hashes leave only into a file of your own, and only if you say so', async (t) => {
  const from = await createTestDatabase(t)
  await fill(from.pool)
  const plain = await keyturn(['export', 'jsonl'], { DATABASE_URL: from.url })
  t.equal(plain.code, 0)
  t.equal(plain.stdout.trimEnd().split('\n').length, 2499)
  t.notMatch(plain.stdout, /bcrypt|password/)
  t.match(await keyturn(['export', 'jsonl', '--with-hashes'], { DATABASE_URL: from.url }), {
    code: 64,
    stdout: '',
    stderr: /--to/,
  })

  const to = await createTestDatabase(t)
  const ran = await keyturn(
    ['import', 'jsonl', '--from', '-', '--json'],
    { DATABASE_URL: to.url },
    plain.stdout,
  )
  t.match(JSON.parse(ran.stdout), { imported: 2499, remarks: { password_unusable: { count: 2499 } } })
  t.strictSame((await to.pool.query('SELECT DISTINCT password_hash FROM users')).rows, [
    { password_hash: '!' },
  ])
})

t.test('a line that is no account is named, and keeps nobody else out', async (t) => {
  const { url, pool } = await createTestDatabase(t)
  const good = { id: 7, username: 'ada' }
  const bad = [
    'no json',
    '[]',
    '{"username":"ada"}',
    '{"id":0,"username":"ada"}',
    '{"id":1.5,"username":"ada"}',
    '{"id":"8","username":"ada"}',
    '{"id":9007199254740993,"username":"ada"}',
    '{"id":8,"username":""}',
    '{"id":8,"username":"a\\u0000b"}',
    '{"id":8,"username":"a\\ud800b"}',
    '{"id":8,"username":"ada","is_admin":true}',
    '{"id":8,"username":"ada","roles":"admin"}',
    '{"id":8,"username":"ada","roles":[1]}',
    '{"id":8,"username":"ada","profile":{"deep":{}}}',
    '{"id":8,"username":"ada","created_at":"yesterday"}',
    '{"id":8,"username":"ada","disabled_at":"2020-13-45T00:00:00Z"}',
    `{"id":8,"username":"${'a'.repeat(1024 * 1024)}"}`,
  ]
  const file = join(t.testdir(), 'lines.jsonl.gz')
  const lines = [...bad, '', JSON.stringify(good), JSON.stringify({ ...good, username: 'eve' })]
  await writeFile(file, gzipSync(lines.join('\n')))
  const report = `${file}.report`
  const ran = await keyturn(['import', 'jsonl', '--from', file, '--report', report], { DATABASE_URL: url })
  t.equal(ran.code, 65)
  t.match(
    ran.stdout,
    `${bad.length + 2} accounts read: 1 imported, 0 there already, ${bad.length + 1} not imported.`,
  )
  t.match(ran.stdout, /17 cannot be read, and were not imported: line 1, line 2, /)
  t.match(ran.stdout, /1 have an id that stands in the source before, and were not imported: 7/)
  t.equal((await readFile(report, 'utf8')).trimEnd().split('\n').length, bad.length + 2)
  t.strictSame((await pool.query('SELECT id::int, username FROM users')).rows, [{ id: 7, username: 'ada' }])
})
