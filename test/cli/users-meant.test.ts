import t from 'tap'
import { startApp } from '../helpers/app.ts'
import { keyturn } from '../helpers/cli.ts'
import { post } from '../helpers/client.ts'

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

t.test('a name that is an address is taken from nobody by an operator either', async (t) => {
  const service = await startApp(t)
  const env = { DATABASE_URL: service.databaseUrl, BCRYPT_COST: '4' }
  const users = async (...args: string[]) => t.match(await keyturn(['users', ...args], env), { code: 0 })
  const [created, renamed] = ['Ada@EXAMPLE.org', 'bob@example.org']
  await users('create', '--username', created, '--email', created, '--no-password')
  await users('create', '--username', 'bob', '--email', renamed, '--no-password')
  await users('rename', 'bob', '--username', renamed)
  const sql = 'SELECT username, username_key, email FROM users ORDER BY id'
  t.match((await service.app.database.pool.query(sql)).rows, [
    { username: created, username_key: /^address /, email: 'Ada@example.org' },
    { username: renamed, username_key: /^address /, email: renamed },
  ])
  for (const email of [created, renamed]) {
    const owner = { username: email, email, password: 'a cup of stars' }
    t.equal((await post(`${service.url}/register`, owner)).status, 201)
  }
})
