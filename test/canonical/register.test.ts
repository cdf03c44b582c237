import { connect } from 'node:net'
import t from 'tap'
import type { Person } from '../helpers/accounts.ts'
import {
  letterToken,
  register,
  requestsAdmitted,
  resetToken,
  signedIn,
  signIn,
  somebody,
  tokensOf,
  verificationToken,
} from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import { bearer, ENCODINGS, post, send, untilAnswered } from '../helpers/client.ts'
import { until } from '../helpers/until.ts'

const TAKEN = { status: 400, body: { errors: { username: ['A user with that username already exists.'] } } }

const signUp = (service: TestApp, person: Person, more = {}) =>
  post(`${service.url}/register`, { ...person, ...more })

async function countOf(service: TestApp, table: 'users' | 'outbox' | 'events'): Promise<number> {
  const { rows } = await service.app.database.pool.query(`SELECT count(*)::int AS n FROM ${table}`)
  return rows[0].n
}

t.test('a registration that is sent again, its answer being lost, is answered as it was', async (t) => {
  for (const EMAIL_VERIFICATION of ['required', 'optional']) {
    const service = await startApp(t, { EMAIL_VERIFICATION, RATE_LIMIT: 'on' })
    const person = { ...somebody(), email: `Ada.${somebody().email}` }
    const first = await signUp(service, person, { first_name: 'Ada', city: 'K\u00f6ln' })
    for (const encoding of ENCODINGS) {
      const fields = { ...person, first_name: 'Ada', city: 'K\u00f6ln' }
      const again = await post(`${service.url}/register`, fields, { encoding })
      t.equal(again.status, 201)
      t.strictSame(again.body, first.body)
    }
    t.equal(await countOf(service, 'users'), 1)
    t.equal(await countOf(service, 'outbox'), 1, 'and brings no second letter')
    await post(`${service.url}/verify-email`, { token: await verificationToken(service, person.email) })
    t.ok(await signIn(service, person))
    t.match(await signUp(service, person), TAKEN, 'once the address is confirmed the name is taken for good')
  }
})

t.test('a client that lost the connection while its account was made may send the same again', async (t) => {
  const service = await startApp(t)
  const person = somebody()
  const body = new URLSearchParams({ ...person }).toString()
  const lost = connect(Number(new URL(service.url).port), '127.0.0.1')
  t.teardown(() => lost.destroy())
  lost.write(
    'POST /register HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n' +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  )
  await until('the account is there', async () => (await countOf(service, 'users')) > 0)
  // Whatever has been answered by now, it has not read a byte of it.
  lost.destroy()
  t.match(await signUp(service, person), { status: 201, body: { username: person.username } })
  t.equal(await countOf(service, 'users'), 1)
})

t.test(
  'fifty that are sent at once to three replicas make one account and one letter, and are answered alike',
  async (t) => {
    const service = await startApp(t)
    const replicas = [
      service,
      await startApp(t, {}, { beside: service }),
      await startApp(t, {}, { beside: service }),
    ]
    const person = somebody()
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        untilAnswered(() => signUp(replicas[index % 3] ?? service, person)),
      ),
    )
    t.same(new Set(answers.map(({ status, body }) => `${status} ${JSON.stringify(body)}`)).size, 1)
    t.equal(answers[0]?.status, 201)
    t.equal(await countOf(service, 'users'), 1)
    t.equal(await countOf(service, 'outbox'), 1)
  },
)

t.test('whoever does not send the very same is told that the name is taken, and nothing more', async (t) => {
  const service = await startApp(t)
  const person = somebody()
  await signUp(service, person)
  const others: Record<string, Person> = {
    'another password': { ...person, password: 'an entirely different phrase' },
    'another address': { ...person, email: somebody().email },
    'another case of the address': { ...person, email: person.email.toUpperCase() },
    'another case of the name': { ...person, username: person.username.toUpperCase() },
  }
  const told = new Set<string>()
  for (const [what, other] of Object.entries(others)) {
    const { status, headers, body } = await signUp(service, other)
    t.match({ status, body }, TAKEN, what)
    const shown = [...headers].filter(([name]) => name !== 'date' && name !== 'x-request-id')
    told.add(JSON.stringify([shown, { ...body, request_id: '' }]))
  }
  t.equal(told.size, 1, 'in one and the same answer')

  const { pool } = service.app.database
  await pool.query(`UPDATE users SET created_at = now() - interval '1 hour 1 second'`)
  t.match(await signUp(service, person), TAKEN, 'an hour later it is nobody\u2019s retry')
  await pool.query('UPDATE users SET created_at = now(), disabled_at = now()')
  t.match(await signUp(service, person), TAKEN, 'a disabled account is nobody\u2019s to make again')
})

t.test('with EMAIL_VERIFICATION=off no session is to be had by signing up again', async (t) => {
  const service = await startApp(t, { EMAIL_VERIFICATION: 'off' })
  const person = somebody()
  t.ok(tokensOf(await signUp(service, person)).access)
  t.match(await signUp(service, person), TAKEN)
})

t.test('signing up again is no way around the ten guesses, and no way to lock somebody out', async (t) => {
  const service = await startApp(t, { RATE_LIMIT: 'on' })
  const person = somebody()
  await signUp(service, person)
  const guess = (password: string) => post(`${service.url}/token`, { username: person.username, password })
  for (let round = 0; round < 5; round += 1) {
    t.match(await signUp(service, { ...person, password: `a wrong guess ${round}` }), TAKEN)
    t.equal((await guess('a wrong guess')).status, 401)
  }
  t.match(await signUp(service, person), TAKEN, 'the right one is not looked at any more')
  t.equal((await guess(person.password)).status, 429)

  const other = await register(service)
  for (let round = 0; round < 11; round += 1) {
    await signUp(service, { ...somebody(), username: other.username })
  }
  t.ok(await signIn(service, other), 'who only wants a name that is taken has guessed at nothing')
})

t.test('an address has thirty registrations an hour', async (t) => {
  const service = await startApp(t, { RATE_LIMIT: 'on' })
  for (let round = 0; round < 30; round += 1) {
    t.equal((await post(`${service.url}/register`, {})).status, 400)
  }
  const stopped = await signUp(service, somebody())
  t.match(stopped, { status: 429, body: { code: 'rate_limited' } })
  t.ok(Number(stopped.headers.get('retry-after')) > 3500)
})

t.test('an address of the service itself is nobody\u2019s, at sign-up and later', async (t) => {
  const service = await startApp(t, { MAIL_FROM: 'Keyturn <robot@Mail.example.com>' })
  const person = await signedIn(service)
  for (const email of [
    'robot@mail.example.com',
    'Postmaster@MAIL.example.com',
    'no-reply+x@mail.example.com',
  ]) {
    const refused = { status: 400, body: { errors: { email: [/belongs to the service itself/] } } }
    t.match(await signUp(service, { ...somebody(), email }), refused, email)
    const change = { email, password: person.password }
    t.match(await post(`${service.url}/change-email`, change, { headers: bearer(person.access) }), refused)
    t.equal((await post(`${service.url}/request-reset`, { email })).status, 200)
    t.equal((await post(`${service.url}/resend-verification`, { email })).status, 200)
  }
  await requestsAdmitted(service)
  t.equal(await countOf(service, 'outbox'), 1, 'no letter but the one to somebody else')
  t.equal((await signUp(service, { ...somebody(), email: 'ada@mail.example.com' })).status, 201)
})

t.test('the domain of an address is kept in small letters, the rest as its owner writes it', async (t) => {
  const service = await startApp(t)
  const person = somebody()
  const email = `Ada.${person.username}@Example.ORG`
  const kept = `Ada.${person.username}@example.org`
  t.match(await signUp(service, { ...person, email }), { status: 201, body: { email: kept } })
  await post(`${service.url}/verify-email`, { token: await verificationToken(service, kept) })
  for (const form of [email, kept, email.toLowerCase(), email.toUpperCase()]) {
    t.match(await post(`${service.url}/token`, { email: form, password: person.password }), {
      status: 200,
      body: { user: { email: kept } },
    })
  }
  const { access } = await signIn(service, person)
  const change = (to: string) =>
    post(`${service.url}/change-email`, { email: to, password: person.password }, { headers: bearer(access) })
  t.match(await change(email), { status: 400, body: { errors: { email: [/already/] } } })
  const next = somebody().username
  await change(`${next}@EXAMPLE.org`)
  await letterToken(service, `${next}@example.org`, '/confirm-email')
})

for (const EMAIL_VERIFICATION of ['required', 'optional']) {
  t.test(
    `who signed up with your address before you has nothing of yours (${EMAIL_VERIFICATION})`,
    async (t) => {
      const service = await startApp(t, { EMAIL_VERIFICATION })
      const owner = somebody()
      const squatter = { ...somebody(), email: owner.email }
      await signUp(service, squatter)
      const planted = await verificationToken(service, owner.email)
      await signUp(service, owner)
      const token = await letterToken(service, owner.email, '/verify-email', 2)
      t.equal((await post(`${service.url}/verify-email`, { token })).status, 200)
      t.match(
        await post(`${service.url}/verify-email`, { token: planted }),
        { status: 400, body: { code: 'link_invalid' } },
        'the letter of the squatter can no longer give the address away',
      )
      const byEmail = (password: string) => post(`${service.url}/token`, { email: owner.email, password })
      t.match(await byEmail(owner.password), { status: 200, body: { user: { username: owner.username } } })
      t.equal(
        (await byEmail(squatter.password)).status,
        EMAIL_VERIFICATION === 'required' ? 403 : 401,
        'and hears of his own account what he heard before the owner came',
      )
      await post(`${service.url}/reset`, {
        token: await resetToken(service, owner.email),
        password: 'an entirely new pass phrase',
      })
      t.match(await byEmail('an entirely new pass phrase'), { body: { user: { username: owner.username } } })
      const { username, password } = squatter
      t.equal(
        (await post(`${service.url}/token`, { username, password })).status,
        EMAIL_VERIFICATION === 'required' ? 403 : 200,
        'and the squatter keeps what was theirs: an account without an address',
      )
    },
  )
}

t.test('no name that is ours gets into an account, by any encoding', async (t) => {
  const service = await startApp(t)
  const names = [
    ...['id', 'sub', 'role', 'roles', 'is_admin', 'is_staff', 'is_superuser', 'is_active', 'email_verified'],
    ...['password_hash', 'token_version', 'created_at', 'last_login', 'isAdmin', 'session_id', 'exp'],
  ]
  for (const encoding of ENCODINGS) {
    for (const name of names) {
      const fields = { ...somebody(), [name]: 'true' }
      t.match(
        await post(`${service.url}/register`, fields, { encoding }),
        { status: 400, body: { errors: { [name]: [/reserved/] } } },
        `${name} as ${encoding}`,
      )
    }
  }
  const list = JSON.stringify([somebody(), somebody()])
  const json = { 'content-type': 'application/json' }
  t.equal((await fetch(`${service.url}/register`, { method: 'POST', body: list, headers: json })).status, 400)
  t.equal(await countOf(service, 'users'), 0)
})

t.test('a password over its limit is refused whole, in every encoding', async (t) => {
  const service = await startApp(t)
  for (const encoding of ENCODINGS) {
    for (const [length, status] of [
      [1025, 400],
      [1_000_000, 413],
    ] as const) {
      const fields = { ...somebody(), password: 'vjzq mkp '.repeat(length).slice(0, length) }
      t.equal((await send('POST', `${service.url}/register`, fields, { encoding })).status, status)
    }
  }
  t.equal(await countOf(service, 'users'), 0)
})
