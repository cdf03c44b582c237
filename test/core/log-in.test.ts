import t from 'tap'
import type { Person } from '../helpers/accounts.ts'
import { register, signIn, somebody, TOO_MANY_HASHES } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import { post } from '../helpers/client.ts'
import { beginElsewhere, untilWaiting } from '../helpers/store.ts'

const FAILURES = `SELECT count FROM counters WHERE key LIKE 'login:%'`

t.test('sign-ins that race to renew the hash all succeed', async (t) => {
  const before = await startApp(t)
  const after = await startApp(t, { BCRYPT_COST: '5' }, { beside: before })
  const person = await register(before)
  const { username, password } = person
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => post(`${after.url}/token`, { username, password })),
  )
  t.same(
    answers.map(({ status }) => status),
    Array(20).fill(200),
  )
  const { rows } = await after.app.database.pool.query('SELECT password_hash FROM users')
  t.match(rows[0].password_hash, /^bcrypt_sha256\$\$2b\$05\$/)
  t.ok(await signIn(after, person))
})

t.test('a good password is good however often its hash is renewed meanwhile', async (t) => {
  const service = await startApp(t, {}, { patient: true })
  const { pool } = service.app.database
  const { username, password } = await register(service)
  const others = [somebody(), somebody()]
  for (const other of others) await register(service, { ...other, password })
  const renew = (from: string | undefined) =>
    beginElsewhere(
      t,
      pool,
      'UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE username = $1) WHERE username = $2',
      [from, username],
    )
  const first = await renew(others[0]?.username)
  const answer = post(`${service.url}/token`, { username, password })
  await untilWaiting(pool)
  const next = renew(others[1]?.username)
  await untilWaiting(pool, 2)
  await first.commit()
  const second = await next
  await untilWaiting(pool)
  await second.commit()
  t.equal((await answer).status, 200)
})

t.test('a sign-in that races a change of the password buys nothing with the old one', async (t) => {
  const service = await startApp(t, {}, { patient: true })
  const { pool } = service.app.database
  const [person, other] = [await register(service), somebody()]
  await register(service, { ...other, password: 'the new pass phrase' })
  const change = await beginElsewhere(
    t,
    pool,
    'UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE username = $1) WHERE username = $2',
    [other.username, person.username],
  )
  const token = (password: string) => post(`${service.url}/token`, { username: person.username, password })
  const answer = token(person.password)
  await untilWaiting(pool)
  await change.commit()
  t.match(await answer, { status: 401, body: { code: 'invalid_credentials' } })
  t.same((await pool.query('SELECT user_id FROM sessions')).rows, [], 'no session lives')
  t.same((await pool.query(FAILURES)).rows, [{ count: 1 }])
  t.equal((await token('the new pass phrase')).status, 200)
})

t.test('whoever is disabled while signing in hears so', async (t) => {
  const service = await startApp(t, {}, { patient: true })
  const { pool } = service.app.database
  const { username, password } = await register(service)
  const change = await beginElsewhere(t, pool, 'UPDATE users SET disabled_at = now()')
  const answer = post(`${service.url}/token`, { username, password })
  await untilWaiting(pool)
  await change.commit()
  t.match(await answer, { status: 403, body: { code: 'account_disabled' } })
  const { rows } = await pool.query(FAILURES)
  t.same(rows, [{ count: 0 }], 'a good password is no failed attempt')
})

/** Sits behind a proxy that says where each request comes from. */
function startBehindProxy(t: Parameters<typeof startApp>[0]): Promise<TestApp> {
  return startApp(t, { RATE_LIMIT: 'on', TRUST_PROXY: '127.0.0.0/8' })
}

const signInFrom = (service: TestApp, address: string, { username, password }: Omit<Person, 'email'>) =>
  post(
    `${service.url}/token`,
    { username, password },
    { headers: { 'x-forwarded-for': address, 'user-agent': 'the phone of the owner' } },
  )

t.test('a device is known in all of its IPv6 /64, and no farther', async (t) => {
  const service = await startBehindProxy(t)
  const person = await register(service)
  t.equal((await signInFrom(service, '2001:db8:1:2::1', person)).status, 200)
  for (let attempt = 0; attempt < 10; attempt += 1)
    await signInFrom(service, '198.51.100.7', { ...person, password: 'a guess' })
  t.equal((await signInFrom(service, '2001:db8:1:3::1', person)).status, 429, 'a stranger')
  t.equal((await signInFrom(service, '2001:db8:1:2:9999::1', person)).status, 200, 'the owner')
})

t.test('whoever shares the /64 of a known device has ten guesses, from however many addresses', async (t) => {
  const service = await startBehindProxy(t)
  const person = await register(service)
  t.equal((await signInFrom(service, '2001:db8:1:2::1', person)).status, 200)
  const guesses = []
  for (let attempt = 0; attempt < 12; attempt += 1) {
    const from = `2001:db8:1:2:${attempt}::1`
    guesses.push((await signInFrom(service, from, { ...person, password: 'a guess' })).status)
  }
  t.same(guesses, [...Array(10).fill(401), 429, 429])
})

t.test('an attempt that could not be looked at is no failure of the account', async (t) => {
  const service = await startApp(t, { BCRYPT_COST: '11' })
  const { username, password } = await register(service)
  const answers = await Promise.all(
    Array.from({ length: TOO_MANY_HASHES }, () => post(`${service.url}/token`, { username, password })),
  )
  const refused = answers.filter(({ status }) => status === 503)
  t.ok(refused.length > 0, `${refused.length} of ${TOO_MANY_HASHES} were refused`)
  t.equal(answers.filter(({ status }) => status === 200).length, TOO_MANY_HASHES - refused.length)
  const { rows } = await service.app.database.pool.query(FAILURES)
  t.same(new Set(rows.map(({ count }) => count)), new Set([0]))
})
