import t from 'tap'
import { startApp } from '../helpers/app.ts'
import { keyturn } from '../helpers/cli.ts'
import { post, text, untilRefused } from '../helpers/client.ts'

const PASSWORD = 'a cup of stars'

t.test('an operator makes an account, looks at it, stops it, and ends it', async (t) => {
  const service = await startApp(t)
  const env = { DATABASE_URL: service.databaseUrl, BCRYPT_COST: '4' }
  const json = async (args: readonly string[], stdin = '') => {
    const ran = await keyturn(['users', ...args, '--json'], env, stdin)
    t.equal(ran.code, 0, ran.stderr)
    return JSON.parse(ran.stdout)
  }
  const signIn = (password: string) => post(`${service.url}/token`, { username: 'ada', password })
  const { pool } = service.app.database

  const person = [
    '--email',
    'ada@example.org',
    '--verified',
    '--first-name',
    'Ada',
    '--role',
    'admin',
    '--role',
    'staff',
  ]
  const created = await json(['create', '--username', 'ada', ...person], `${PASSWORD}\n`)
  t.match(created, { username: 'ada', email_verified: true, roles: ['admin', 'staff'], activated: true })

  const first = await signIn(PASSWORD)
  t.match(first, { status: 200, body: { user: { id: created.id, roles: ['admin', 'staff'] } } })
  const seen = await json(['show', 'ada@example.org'])
  t.match(seen, { id: created.id, sessions: [{}], events: [{ kind: 'login' }, { kind: 'registered' }] })
  t.notMatch(JSON.stringify(seen), /bcrypt/, 'nobody is shown a hash')
  t.match(await json(['find', 'AD']), { users: [{ id: created.id }], more: false })
  t.match(await json(['find', 'nobody']), { users: [] })

  await t.test('a new password ends the sessions, at every replica, and is told by mail', async (t) => {
    t.match(await json(['set-password', 'ada'], 'another cup of stars'), { id: created.id, sessions: 1 })
    await untilRefused(service, text(first, 'access'))
    t.match(await post(`${service.url}/refresh`, { refresh: text(first, 'refresh') }), {
      status: 401,
      body: { code: 'session_revoked' },
    })
    t.match(await signIn(PASSWORD), { status: 401 })
    t.match(await signIn('another cup of stars'), { status: 200 })
    const { rows } = await pool.query(`SELECT kind FROM outbox WHERE kind = 'password_changed'`)
    t.equal(rows.length, 1)
  })

  await t.test('who is logged out may come back, who is disabled may not until enabled', async (t) => {
    t.match(await json(['logout', String(created.id)]), { sessions: 1 })
    const session = await signIn('another cup of stars')
    t.equal(session.status, 200)
    t.match(await json(['disable', 'ada']), { disabled: true, sessions: 1 })
    await untilRefused(service, text(session, 'access'))
    t.match(await signIn('another cup of stars'), { status: 403, body: { code: 'account_disabled' } })
    t.match(await keyturn(['users', 'disable', 'ada'], env), { code: 0, stdout: /disabled before/ })
    t.match(await keyturn(['users', 'set-password', 'ada'], env, PASSWORD), {
      code: 65,
      stderr: /Enable it first/,
    })
    t.match(await json(['enable', 'ada']), { disabled: false })
    t.match(await signIn('another cup of stars'), { status: 200 })
  })

  await t.test('each of it stands in the security record, as done on this machine', async (t) => {
    const { rows } = await pool.query(
      `SELECT kind, reason, host(ip) AS ip, user_agent FROM events WHERE user_agent LIKE 'keyturn%' ORDER BY id`,
    )
    const by = (verb: string, kind: string, reason: string | null = null) => ({
      kind,
      reason,
      ip: '127.0.0.1',
      user_agent: `keyturn users ${verb}`,
    })
    t.strictSame(rows, [
      by('create', 'registered'),
      by('set-password', 'password_reset', 'operator'),
      by('logout', 'logout_everywhere', 'operator'),
      by('disable', 'account_disabled'),
      by('enable', 'account_enabled'),
    ])
  })

  await t.test('deleting wants a word, and leaves nothing', async (t) => {
    t.match(await keyturn(['users', 'delete', 'ada'], env), { code: 64, stderr: /for good.*--yes/ })
    t.match(await json(['delete', 'ada', '--yes']), { id: created.id })
    t.match(await keyturn(['users', 'show', 'ada'], env), { code: 67, stderr: /no such user/ })
    t.match(await signIn('another cup of stars'), { status: 401 })
  })
})
