import t from 'tap'
import { register, requestsAdmitted, signIn, somebody, TOO_MANY_HASHES } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import type { Answer } from '../helpers/client.ts'
import { post } from '../helpers/client.ts'

const GUARDED = { RATE_LIMIT: 'on' }

function guess(service: TestApp, fields: Record<string, string>, userAgent = 'stranger'): Promise<Answer> {
  return post(
    `${service.url}/token`,
    { password: 'a wrong guess', ...fields },
    { headers: { 'user-agent': userAgent } },
  )
}

t.test(
  'ten failures stop strangers, by either name of the account and at every replica, and the right password too',
  async (t) => {
    const service = await startApp(t, GUARDED)
    const replica = await startApp(t, GUARDED, { beside: service })
    const { username, email, password } = await register(service)
    for (let attempt = 0; attempt < 5; attempt += 1) {
      t.equal((await guess(service, { username })).status, 401)
      t.equal((await guess(replica, { email: email.toUpperCase() })).status, 401)
    }
    for (const fields of [
      { username },
      { email },
      { username: username.toUpperCase() },
      { username, password },
    ]) {
      const stopped = await guess(replica, fields)
      t.match(stopped, { status: 429, body: { code: 'rate_limited' } })
      t.ok(Number(stopped.headers.get('retry-after')) <= 15 * 60)
      t.ok(Number(stopped.headers.get('retry-after')) > 14 * 60)
    }
  },
)

t.test('an unknown account is stopped exactly as a known one', async (t) => {
  const service = await startApp(t, GUARDED)
  const { username } = await register(service)
  const statuses = async (name: string) => {
    const answers: number[] = []
    for (let attempt = 0; attempt < 12; attempt += 1)
      answers.push((await guess(service, { username: name })).status)
    return answers
  }
  t.same(await statuses(username), await statuses(somebody().username))
})

t.test('an unknown address is stopped exactly as a known one, whichever field it comes in', async (t) => {
  const service = await startApp(t, GUARDED)
  const { email } = await register(service)
  const statuses = async (address: string) => {
    const answers: number[] = []
    for (let attempt = 0; attempt < 12; attempt += 1)
      answers.push((await guess(service, { [attempt % 2 ? 'email' : 'username']: address })).status)
    return answers
  }
  t.same(await statuses(email), await statuses(somebody().email))
})

t.test('the owner comes in from a device known to the account while strangers are stopped', async (t) => {
  const service = await startApp(t, GUARDED)
  const { username, password } = await register(service)
  t.equal((await guess(service, { username, password }, 'the phone of the owner')).status, 200)
  for (let attempt = 0; attempt < 10; attempt += 1) await guess(service, { username })
  t.equal((await guess(service, { username, password })).status, 429)
  t.equal((await guess(service, { username, password }, 'the phone of the owner')).status, 200)
})

t.test('guesses that arrive together are counted before any of them is answered', async (t) => {
  const service = await startApp(t, GUARDED)
  const { username } = await register(service)
  const answers = await Promise.all(Array.from({ length: 30 }, () => guess(service, { username })))
  t.equal(answers.filter(({ status }) => status === 401).length, 10)
  t.equal(answers.filter(({ status }) => status === 429).length, 20)
})

t.test('a good sign-in is no failure, and forgives none', async (t) => {
  const service = await startApp(t, GUARDED)
  const person = await register(service)
  for (let attempt = 0; attempt < 12; attempt += 1) await signIn(service, person)
  for (let attempt = 0; attempt < 9; attempt += 1) await guess(service, { username: person.username })
  t.ok(await signIn(service, person), 'from here it is a device known to the account')
  t.equal((await guess(service, { username: person.username })).status, 401, 'the tenth failure')
  t.equal((await guess(service, { username: person.username })).status, 429)
})

t.test(
  'an address has sixty tries a minute, over all accounts, with percent-encoding and without',
  async (t) => {
    const service = await startApp(t, GUARDED)
    for (let attempt = 0; attempt < 60; attempt += 1) {
      const path = attempt % 2 === 0 ? '/token' : '/t%6Fken'
      const answer = await post(service.url + path, { username: somebody().username, password: 'x' })
      t.equal(answer.status, 401)
    }
    t.match(await post(`${service.url}/token`, { username: 'x', password: 'x' }), { status: 429 })
    const forged = await post(
      `${service.url}/token`,
      { username: 'x', password: 'x' },
      { headers: { 'x-forwarded-for': '9.9.9.9' } },
    )
    t.equal(forged.status, 429, 'X-Forwarded-For of a stranger is not believed')
  },
)

t.test('behind a trusted proxy each client has its own sixty, IPv6 by /64', async (t) => {
  const service = await startApp(t, { ...GUARDED, TRUST_PROXY: '127.0.0.0/8' })
  const from = (address: string) =>
    post(
      `${service.url}/token`,
      { username: somebody().username, password: 'x' },
      { headers: { 'x-forwarded-for': `evil, ${address}` } },
    )
  for (let attempt = 0; attempt < 60; attempt += 1)
    t.equal((await from(`2001:db8:1:1::${attempt.toString(16)}`)).status, 401)
  t.equal((await from('2001:db8:1:1::ffff')).status, 429)
  t.equal((await from('2001:db8:1:2::1')).status, 401)
  t.equal((await from('192.0.2.1')).status, 401)
})

t.test('an address can be made to receive three letters an hour, whoever asks and however', async (t) => {
  const service = await startApp(t)
  const { email } = somebody()
  const asked = []
  for (let round = 0; round < 3; round += 1) {
    asked.push(await post(`${service.url}/register`, { ...somebody(), email }))
    asked.push(await post(`${service.url}/resend-verification`, { email: email.toUpperCase() }))
  }
  t.same(
    asked.map(({ status }) => status),
    [201, 200, 201, 200, 201, 200],
  )
  const unknown = await post(`${service.url}/resend-verification`, { email: somebody().email })
  t.same(unknown.body, asked[5]?.body, 'the answer is the same for nobody')
  await requestsAdmitted(service)
  const { rows } = await service.app.database.pool.query('SELECT count(*)::int AS letters FROM outbox')
  t.same(rows, [{ letters: 3 }])
})

t.test('too much hashing is answered 503 with Retry-After, and status checks go on', async (t) => {
  const service = await startApp(t, { BCRYPT_COST: '11' })
  const answers = await Promise.all(
    Array.from({ length: TOO_MANY_HASHES }, () =>
      post(`${service.url}/token`, { username: somebody().username, password: 'x' }),
    ),
  )
  const refused = answers.filter(({ status }) => status === 503)
  t.ok(refused.length > 0, `${refused.length} of ${TOO_MANY_HASHES} were refused`)
  t.equal(answers.filter(({ status }) => status === 401).length, TOO_MANY_HASHES - refused.length)
  for (const { headers, body } of refused) {
    t.match(headers.get('retry-after'), /^\d+$/)
    t.equal(body['code'], 'unavailable')
  }
  const { rows } = await service.app.database.pool.query('SELECT sum(count)::int AS counted FROM counters')
  t.same(rows, [{ counted: TOO_MANY_HASHES - refused.length }], 'what was not looked at is no failed attempt')
})
