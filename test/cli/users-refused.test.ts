import t from 'tap'
import { startApp } from '../helpers/app.ts'
import { keyturn } from '../helpers/cli.ts'

const PASSWORD = 'a cup of stars'

t.test('what is refused is said in sentences that one can act on, and with a code of its own', async (t) => {
  const service = await startApp(t)
  const env = { DATABASE_URL: service.databaseUrl, BCRYPT_COST: '4' }
  const cases: [args: string[], stdin: string, code: number, message: RegExp][] = [
    [['create', '--username', 'bob'], 'short', 65, /^password: This password is too short/],
    [
      ['create', '--username', 'admin', '--email', 'x'],
      PASSWORD,
      65,
      /username: .*reserved[\s\S]*email: Enter a valid/,
    ],
    [['create', '--username', 'bob'], '', 65, /Give the password on standard input/],
    [['create', '--username', 'bob', '--password', 'x'], '', 64, /Unknown option '--password'/],
    [['show', 'nobody'], '', 67, /no such user/],
    [['dance', 'bob'], '', 64, /keyturn users <verb>/],
  ]
  for (const [args, stdin, code, message] of cases) {
    const ran = await keyturn(['users', ...args], env, stdin)
    t.match(ran.stderr, message, args.join(' '))
    t.equal(ran.code, code, args.join(' '))
    t.notMatch(ran.stderr, /^\s+at /m)
  }
  t.match(await keyturn(['users', 'show', '1'], {}), { code: 69, stderr: /Set DATABASE_URL/ })
  t.match(await keyturn(['users', 'show', '1'], { ...env, BCRYPT_COST: '99' }), {
    code: 78,
    stderr: /BCRYPT_COST/,
  })
  t.match(
    await keyturn(['users', 'show', '1'], { DATABASE_URL: 'postgresql://nobody:secret@127.0.0.1:1/none' }),
    { code: 69, stderr: /does not answer/ },
  )
  t.match(
    await keyturn(['users', 'show', '1'], { NODE_ENV: 'production', ...env, BCRYPT_COST: '12' }),
    { code: 67 },
    'secrets and mail are not asked for',
  )
})
