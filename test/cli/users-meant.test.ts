import t from 'tap'
import { startApp } from '../helpers/app.ts'
import { keyturn } from '../helpers/cli.ts'

t.test('who is meant is never guessed', async (t) => {
  const service = await startApp(t)
  const env = { DATABASE_URL: service.databaseUrl, BCRYPT_COST: '4' }
  for (const name of ['ada', 'bob'])
    t.equal(
      (
        await keyturn(
          ['users', 'create', '--username', name, '--email', 'both@example.org', '--no-password'],
          env,
        )
      ).code,
      0,
    )
  t.match(await keyturn(['users', 'disable', 'both@example.org'], env), {
    code: 65,
    stderr: /more than one user.*: 1, 2/,
  })
  t.match(await keyturn(['users', 'disable', '2'], env), { code: 0 })
  const { rows } = await service.app.database.pool.query(
    'SELECT username FROM users WHERE disabled_at IS NOT NULL',
  )
  t.strictSame(rows, [{ username: 'bob' }])
  t.match(await keyturn(['users', 'rename', '2', '--username', 'ADA'], env), {
    code: 65,
    stderr: /already exists/,
  })
  t.match(await keyturn(['users', 'rename', '2', '--username', 'eve'], env), {
    code: 0,
    stdout: 'Renamed.\n',
  })
  t.match(await keyturn(['users', 'show', 'eve'], env), { code: 0, stdout: /^2 eve / })
})
