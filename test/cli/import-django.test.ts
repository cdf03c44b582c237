import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { startApp } from '../helpers/app.ts'
import { keyturn } from '../helpers/cli.ts'
import { post } from '../helpers/client.ts'
import type { DjangoRow } from '../helpers/django.ts'
import { fillDjango, ONE_OF_EACH, PASSWORD } from '../helpers/django.ts'
import { createTestDatabase } from '../helpers/postgres.ts'

const USERS: readonly DjangoRow[] = [
  ...ONE_OF_EACH.map(({ kind, hash }, index) => ({
    id: 11 + index,
    username: kind,
    email: `${kind}@example.org`,
    password: hash,
    first_name: 'Ädä',
    last_name: 'O\u2028Brien\\t\t"',
    last_login: '2024-05-06 07:08:09.5+00',
  })),
  { id: 30, username: 'chief', email: 'chief@example.org', is_superuser: true, is_staff: true },
  {
    id: 31,
    username: 'left',
    email: 'left@example.org',
    is_active: false,
    password: ONE_OF_EACH[0]?.hash ?? '',
  },
  { id: 32, username: 'Left', email: 'LEFT@example.org', password: ONE_OF_EACH[0]?.hash ?? '' },
  { id: 33, username: 'left again', email: 'left@example.org' },
  { id: 34, username: 'no mail', email: '' },
  { id: 36, username: 'NO mail', email: '' },
  { id: 35, username: 'odd', email: 'not an address', password: 'md5$salt$5f4dcc3b5aa765d61d8327deb882cf99' },
]

const REMARKS = {
  username_unusual: { count: 3, first_ids: ['33', '34', '36'] },
  unreachable: { count: 1, first_ids: ['36'] },
  username_shared: { count: 2, first_ids: ['32', '36'] },
  email_shared: { count: 2, first_ids: ['32', '33'] },
  email_unusual: { count: 1, first_ids: ['35'] },
  password_unknown: { count: 1, first_ids: ['35'] },
  password_unusable: { count: 4, first_ids: ['30', '33', '34', '36'] },
}

/** The table as pg_dump writes it, by the COPY that pg_dump uses. */
async function dumpOf(pool: import('pg').Pool): Promise<string> {
  const columns =
    'id, password, last_login, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined'
  const { rows } = await pool.query(`SELECT * FROM auth_user ORDER BY id`)
  const inCopy = (value: unknown) =>
    value === null
      ? '\\N'
      : value instanceof Date
        ? value.toISOString().replace('T', ' ').replace('Z', '+00')
        : typeof value === 'boolean'
          ? value
            ? 't'
            : 'f'
          : String(value).replace(
              /[\\\t\n\r]/g,
              (c) => ({ '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' })[c] ?? c,
            )
  return [
    '--\n-- PostgreSQL database dump\n--\n',
    "SET client_encoding = 'UTF8';",
    'COPY public.auth_group (id, name) FROM stdin;\n1\tauth_user\n\\.\n',
    `COPY public.auth_user (${columns}) FROM stdin;`,
    ...rows.map((row) =>
      columns
        .split(', ')
        .map((column) => inCopy(row[column]))
        .join('\t'),
    ),
    '\\.\n',
    "SELECT pg_catalog.setval('public.auth_user_id_seq', 77, true);\n",
  ].join('\n')
}

t.test(
  'a Django database moves in whole: ids, names, hashes, times and roles; what is odd is told',
  async (t) => {
    const django = await createTestDatabase(t, 'template1')
    await fillDjango(django.pool, USERS)
    await django.pool.query(`SELECT setval(pg_get_serial_sequence('auth_user', 'id'), 99)`)
    const service = await startApp(t, { EMAIL_VERIFICATION: 'off' })
    const { pool } = service.app.database
    const env = { DATABASE_URL: service.databaseUrl }
    const args = ['import', 'django', '--from', django.url, '--json']

    await t.test('a dry run tells all of it and changes nothing', async (t) => {
      const ran = await keyturn([...args, '--dry-run'], env)
      t.equal(ran.code, 0, ran.stderr)
      t.strictSame(JSON.parse(ran.stdout), {
        dry_run: true,
        read: USERS.length,
        imported: USERS.length,
        present: 0,
        refused: 0,
        remarks: REMARKS,
      })
      t.strictSame((await pool.query('SELECT count(*)::int AS n FROM users')).rows, [{ n: 0 }])
    })

    await t.test('the import does what the dry run has told', async (t) => {
      const report = join(t.testdir(), 'report.jsonl')
      const ran = await keyturn([...args, '--report', report], env)
      t.equal(ran.code, 0, ran.stderr)
      t.equal(ran.stderr, '', 'no progress bar where there is no terminal')
      t.strictSame(JSON.parse(ran.stdout), {
        dry_run: false,
        read: USERS.length,
        imported: USERS.length,
        present: 0,
        refused: 0,
        remarks: REMARKS,
      })
      const told = (await readFile(report, 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      t.equal(told.length, 14)
      t.match(told, [{ id: '30', remark: 'password_unusable' }])
      t.equal((await stat(report)).mode & 0o777, 0o600)
    })

    await t.test('everybody signs in with the password they have, and is who they were', async (t) => {
      for (const [index, { kind }] of ONE_OF_EACH.entries()) {
        t.match(
          await post(`${service.url}/token`, { username: kind, password: 'wrong' }),
          { status: 401 },
          kind,
        )
        t.match(
          await post(`${service.url}/token`, { username: kind, password: PASSWORD }),
          {
            status: 200,
            body: { user: { id: 11 + index, first_name: 'Ädä', last_name: 'O\u2028Brien\\t\t"' } },
          },
          kind,
        )
        t.match(await post(`${service.url}/token`, { email: `${kind}@example.org`, password: PASSWORD }), {
          status: 200,
        })
      }
      const { rows } = await pool.query(
        `SELECT count(*)::int AS n FROM users WHERE password_hash LIKE 'bcrypt_sha256$$2b$04$%'`,
      )
      t.strictSame(rows, [{ n: ONE_OF_EACH.length }], 'and their hashes are our own now')
      const letters = await pool.query('SELECT count(*)::int AS n FROM outbox')
      t.strictSame(letters.rows, [{ n: 0 }], 'nobody hears of a new device: all of them would, on one day')
    })

    await t.test(
      'who was not active is disabled, and of two who share a name the older one has it',
      async (t) => {
        t.match(await post(`${service.url}/token`, { username: 'left', password: PASSWORD }), {
          status: 403,
          body: { code: 'account_disabled' },
        })
        t.match(await post(`${service.url}/token`, { email: 'left@example.org', password: PASSWORD }), {
          status: 200,
          body: { user: { id: 32, username: 'Left' } },
        })
      },
    )

    await t.test('roles, times and addresses are as Django had them', async (t) => {
      const { rows } = await pool.query(
        `SELECT id::int, roles, disabled_at IS NOT NULL AS disabled, email_verified_at IS NOT NULL AS verified,
              created_at, activated_at IS NOT NULL AS activated, email
       FROM users WHERE id >= 30 ORDER BY id`,
      )
      const joined = new Date('2019-03-04T05:06:07.891Z')
      const as = (id: number, changes: object) => ({
        id,
        roles: [],
        disabled: false,
        verified: false,
        created_at: joined,
        activated: true,
        ...changes,
      })
      t.match(rows, [
        as(30, { roles: ['admin', 'staff'], verified: true }),
        as(31, { disabled: true }),
        as(32, { verified: true, email: 'LEFT@example.org' }),
        as(33, { verified: false }),
        as(34, { email: '' }),
        as(35, { email: 'not an address' }),
        as(36, { email: '' }),
      ])
    })

    await t.test('new accounts get ids that Django has never given away', async (t) => {
      const made = await post(`${service.url}/register`, {
        username: 'new',
        email: 'new@example.org',
        password: 'a cup of stars',
      })
      t.equal((made.body['user'] as { id: number }).id, 100)
    })

    await t.test('a second run changes nothing that is there, and brings what is new', async (t) => {
      const before = await pool.query('SELECT * FROM users ORDER BY id')
      await django.pool.query(`INSERT INTO auth_user SELECT 98, password, last_login, false, 'late', '', '', '', false, true, date_joined
                             FROM auth_user WHERE id = 11`)
      await django.pool.query(`INSERT INTO auth_user SELECT 100, password, last_login, false, 'other', '', '', '', false, true, date_joined
                             FROM auth_user WHERE id = 11`)
      const ran = await keyturn(['import', 'django', '--from', django.url], env)
      t.equal(ran.code, 65, 'for one has an id that is taken here')
      t.match(
        ran.stdout,
        `${USERS.length + 2} accounts read: 1 imported, ${USERS.length} there already, 1 not imported.`,
      )
      t.match(ran.stdout, /1 have an id that another account has here, and were not imported: 100/)
      const after = await pool.query('SELECT * FROM users WHERE id <> 98 ORDER BY id')
      t.strictSame(after.rows, before.rows)
    })
  },
)

t.test('a dump moves in like the database, packed or not', async (t) => {
  const django = await createTestDatabase(t, 'template1')
  await fillDjango(django.pool, USERS)
  const dump = await dumpOf(django.pool)
  const columns = `id, username, username_key, email, email_verified_at, password_hash, first_name, last_name, roles,
                   activated_at, disabled_at IS NULL AS enabled, created_at, last_login_at`
  const direct = await createTestDatabase(t)
  t.equal((await keyturn(['import', 'django', '--from', django.url], { DATABASE_URL: direct.url })).code, 0)
  const expected = await direct.pool.query(`SELECT ${columns} FROM users ORDER BY id`)
  const directory = t.testdir()
  for (const [name, content] of [
    ['users.sql', dump],
    ['users.sql.gz', gzipSync(dump)],
    ['windows.sql', dump.replaceAll('\n', '\r\n')],
  ] as const) {
    const { url, pool } = await createTestDatabase(t)
    await writeFile(join(directory, name), content)
    const ran = await keyturn(['import', 'django', '--from', join(directory, name), '--json'], {
      DATABASE_URL: url,
    })
    t.equal(ran.code, 0, ran.stderr)
    t.strictSame(JSON.parse(ran.stdout).remarks, REMARKS)
    t.strictSame((await pool.query(`SELECT ${columns} FROM users ORDER BY id`)).rows, expected.rows, name)
    t.strictSame((await pool.query(`SELECT nextval('users_id_seq')::int AS next`)).rows, [{ next: 78 }])
  }
})

t.test('what cannot be brought in is refused with what to do, and with a code of its own', async (t) => {
  const { url } = await createTestDatabase(t)
  const env = { DATABASE_URL: url }
  const directory = t.testdir({ 'other.sql': 'COPY public.shop (id) FROM stdin;\n1\n\\.\n' })
  const file = join(directory, 'other.sql')
  const cases: [args: string[], code: number, message: RegExp][] = [
    [['--from', file], 66, /no data of a table auth_user.*--table/s],
    [['--from', url], 66, /no table auth_user.*--table/s],
    [
      ['--from', 'postgresql://nobody:secret@127.0.0.1:1/none'],
      66,
      /cannot be read from the database "none"/,
    ],
    [['--from', file, '--emails', 'maybe'], 64, /--emails is verified or unverified/],
    [['--from', file, '--dri-run'], 64, /Unknown option '--dri-run'/],
  ]
  for (const [args, code, message] of cases) {
    const ran = await keyturn(['import', 'django', ...args], env)
    t.match(ran.stderr, message, args.join(' '))
    t.equal(ran.code, code, args.join(' '))
    t.notMatch(ran.stderr, /secret|^\s+at /m)
  }
  t.match(await keyturn(['import', 'django', '--from', file], {}), { code: 69, stderr: /Set DATABASE_URL/ })
})
