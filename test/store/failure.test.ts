import { DrizzleQueryError } from 'drizzle-orm/errors'
import type { FastifyError } from 'fastify'
import pg from 'pg'
import t from 'tap'
import { AuthError } from '../../src/core/errors.ts'
import type { PasswordHash } from '../../src/core/ports.ts'
import { logSerializers } from '../../src/plugins/log-serializers.ts'
import { asStoreFailure, StoreError, withStoreFailures } from '../../src/store/failure.ts'
import { somebody } from '../helpers/accounts.ts'
import { post, untilReady } from '../helpers/client.ts'
import { gateTo } from '../helpers/gate.ts'
import { startLogging } from '../helpers/logging-replica.ts'
import { createTestDatabase } from '../helpers/postgres.ts'
import { CALLER, newAccount, openStore } from '../helpers/store.ts'

/** An error as `pg` hands it on. */
function refusal(
  code: string,
  fields: Partial<pg.DatabaseError> = {},
  message = `a word of Postgres about ${code}`,
): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError(message, 0, 'error'), { code }, fields)
}

t.test('what passes by itself is unavailable', async (t) => {
  const states = {
    'connection failures': ['08000', '08003', '08006', '08P01'],
    'too many connections, no memory, no space': ['53100', '53200', '53300', '53400'],
    'shutdown, crash, start': ['57P01', '57P02', '57P03'],
    'statement or lock took too long': ['57014', '55P03'],
    'slept through a transaction': ['25P03', '25P04'],
    'lost a race': ['40001', '40P01'],
    'a standby that was just promoted away from': ['25006'],
    'trouble of the disk': ['58000', '58030'],
  }
  for (const [what, codes] of Object.entries(states))
    for (const code of codes)
      t.match(asStoreFailure(refusal(code)), { code: 'unavailable', retryAfterSeconds: 1, cause: code }, what)

  const sockets = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'ENOENT']
  for (const code of sockets)
    t.match(asStoreFailure(Object.assign(new Error(`connect ${code}`), { code })), { code: 'unavailable' })
})

t.test('what the driver says without a code is unavailable where it is about the connection', async (t) => {
  for (const message of [
    'Query read timeout',
    'timeout exceeded when trying to connect',
    'Connection terminated unexpectedly',
    'Connection terminated due to connection timeout',
    'Client has encountered a connection error and is not queryable',
    'Cannot use a pool after calling end on the pool',
  ])
    t.match(asStoreFailure(new Error(message)), { code: 'unavailable' }, message)
})

t.test('everything else is a defect, and stays what it is where it is one of ours', async (t) => {
  for (const code of [
    '23505',
    '23514',
    '42P01',
    '42601',
    '22P02',
    '0A000',
    '42501',
    '3D000',
    '28P01',
    'XX000',
  ])
    t.match(asStoreFailure(refusal(code)), new StoreError(code, undefined))
  const defect = new TypeError('ours')
  t.equal(asStoreFailure(defect), defect)
  const lawful = new AuthError('refresh_invalid')
  t.equal(asStoreFailure(lawful), lawful)
  t.match(asStoreFailure('a text'), StoreError)
  t.match(asStoreFailure(undefined), StoreError)
})

t.test('an error is known through the wrapping of Drizzle', async (t) => {
  const wrap = (cause: Error) => new DrizzleQueryError('SELECT $1', ['a parameter'], cause)
  t.match(asStoreFailure(wrap(refusal('57P01'))), { code: 'unavailable' })
  t.match(asStoreFailure(wrap(refusal('23505', { constraint: 'users_pkey' }))), {
    message: 'Postgres refused a statement (SQLSTATE 23505, users_pkey)',
  })
})

t.test(
  'a StoreError names the SQLSTATE and the constraint, and shows nothing of the statement',
  async (t) => {
    const secret = 'hunter2'
    const raw = refusal(
      '23514',
      {
        detail: `Failing row contains (${secret})`,
        hint: secret,
        where: secret,
        internalQuery: `SELECT '${secret}'`,
        constraint: 'users_check',
      },
      `new row violates it: ${secret}`,
    )
    for (const error of [raw, new DrizzleQueryError(`SELECT '${secret}'`, [secret], raw)]) {
      const failure = asStoreFailure(error)
      t.equal(failure.message, 'Postgres refused a statement (SQLSTATE 23514, users_check)')
      const everything = [failure.message, failure.stack, String(failure.cause), JSON.stringify(failure)]
      t.notMatch(everything.join(), secret)
      t.same(Object.getOwnPropertyNames(failure).toSorted(), ['message', 'name', 'sqlState', 'stack'])
    }
  },
)

t.test('a store fails in these words, whatever it runs into', async (t) => {
  const stores = await openStore(t)
  await stores.pool.query(`ALTER TABLE users ADD CONSTRAINT no_secret CHECK (password_hash <> 'hunter2')`)
  const created = stores.store.accounts.create(
    newAccount({ passwordHash: 'hunter2' as PasswordHash }),
    undefined,
    CALLER,
  )
  await t.rejects(created, new StoreError('23514', 'no_secret'))
  await stores.pool.query('ALTER TABLE counters RENAME TO others')
  await t.rejects(
    stores.store.accounts.refundLogin('hunter2'),
    new StoreError('42P01', undefined),
    'by Drizzle',
  )

  const store = withStoreFailures({ kind: 'a value', fail: () => Promise.reject(refusal('57P01')) })
  t.equal(store.kind, 'a value')
  await t.rejects(store.fail(), { code: 'unavailable' })
})

t.test('the log shows an error by its name, its code and its stack, never by a text', async (t) => {
  const show = (error: unknown) => JSON.stringify(logSerializers['err']?.(error as FastifyError))
  const hostile = 'hunter2\n    at hunter2 (hunter2)'
  const errors = [
    refusal('23514', { detail: hostile }, hostile),
    new DrizzleQueryError(hostile, [hostile], refusal('23514', {}, hostile)),
    Object.assign(new Error(hostile), { message: 'another' }),
    new Error(hostile),
    new Error('ours', { cause: new Error(hostile) }),
    new SyntaxError(hostile),
    // As [1].map(text) has it.
    new TypeError('hunter2 is not a function'),
    new TypeError("Cannot read properties of undefined (reading 'hunter2')"),
    hostile,
  ]
  for (const error of errors) t.notMatch(show(error), /hunter2/)
  t.match(show(new TypeError("Cannot read properties of null (reading 'x')")), /properties of null"/)
  t.match(show(new Error('hidden')), /failure\.test\.ts/, 'and says where')
})

t.test('over HTTP', async (t) => {
  const { url, pool } = await createTestDatabase(t)
  const gate = await gateTo(t, url)
  const service = await startLogging(t, gate.url)

  await t.test('a defect is a 500 that says nothing, and a log line that quotes nothing', async (t) => {
    await pool.query(`ALTER TABLE users ADD CONSTRAINT no_ada CHECK (first_name <> 'Ada Hunter')`)
    const person = somebody()
    const answer = await post(`${service.url}/register`, { ...person, first_name: 'Ada Hunter' })
    t.match(answer, { status: 500, body: { code: 'internal_error' } })
    const logged = await service.untilLogged('"status":500')
    t.match(logged, /a defect/)
    t.match(logged, /SQLSTATE 23514, no_ada/)
    const told = JSON.stringify(answer.body)
    t.notMatch(told, /SQLSTATE|23514|no_ada/i)
    for (const secret of [...Object.values(person), 'Hunter', 'INSERT', '$2b$'])
      t.notOk((logged + told).includes(secret), secret)
  })

  for (const trouble of ['shut', 'hang'] as const) {
    const what = trouble === 'shut' ? 'refuses connections' : 'says nothing any more'
    await t.test(`a database that ${what} is a 503 in about three seconds`, async (t) => {
      const person = somebody()
      const { username, email, password } = person
      gate[trouble]()
      const began = performance.now()
      const answers = await Promise.all([
        post(`${service.url}/register`, { ...person }),
        post(`${service.url}/token`, { username, password }),
        post(`${service.url}/resend-verification`, { email }),
      ])
      t.ok(performance.now() - began < 3500, `after ${Math.round(performance.now() - began)} ms`)
      for (const answer of answers) {
        t.match(answer, { status: 503, body: { code: 'unavailable' } })
        t.equal(answer.headers.get('retry-after'), '1')
      }
      gate.open()
      await untilReady(service.url)
      t.equal((await post(`${service.url}/register`, { ...person })).status, 201, 'and it comes back')
      const logged = await service.untilLogged('"status":201')
      for (const secret of [username, email, password, 'SELECT', 'INSERT'])
        t.notOk(logged.includes(secret), secret)
    })
  }
})
