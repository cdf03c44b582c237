import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { plain } from '../../tools/plain.mjs'
import { bareEnvironment, keyturn, ROOT } from '../helpers/cli.ts'
import { fillDjango } from '../helpers/django.ts'
import { createTestDatabase } from '../helpers/postgres.ts'
import { until } from '../helpers/until.ts'

const USERS = 12_000

t.test(
  'an import that is killed half-way is ended by the next one, with nobody lost and nobody twice',
  async (t) => {
    const django = await createTestDatabase(t, 'template1')
    await fillDjango(django.pool, [])
    await django.pool.query(
      `INSERT INTO auth_user SELECT n, '!', NULL, false, 'user' || n, '', '', 'user' || n || '@example.org', false, true, now()
     FROM generate_series(1, $1::integer) n`,
      [USERS],
    )
    const { url, pool } = await createTestDatabase(t)
    const count = async () => (await pool.query('SELECT count(*)::int AS n FROM users')).rows[0].n
    const args = ['import', 'django', '--from', django.url, '--json']

    const first = spawn(process.execPath, [plain('src/cli.ts'), ...args], {
      cwd: ROOT,
      env: { ...bareEnvironment(), DATABASE_URL: url },
      stdio: 'ignore',
    })
    const ended = once(first, 'exit')
    await until('the first are imported', async () => (await count()) > 0 || first.exitCode !== null)
    first.kill('SIGKILL')
    await ended
    const before = await count()
    t.equal(before % 2000, 0, 'whole batches')

    const second = await keyturn(args, { DATABASE_URL: url })
    t.equal(second.code, 0, second.stderr)
    const summary = JSON.parse(second.stdout)
    t.equal(summary.imported + summary.present, USERS)
    t.ok(summary.present >= before && summary.present > 0, `${summary.present} were there`)
    t.equal(await count(), USERS)
    t.strictSame((await pool.query(`SELECT nextval('users_id_seq')::int AS next`)).rows, [
      { next: USERS + 1 },
    ])
  },
)
