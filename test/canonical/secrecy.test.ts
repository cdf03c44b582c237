import t from 'tap'
import type { Person } from '../helpers/accounts.ts'
import { register, requestsAdmitted, somebody } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import type { Answer } from '../helpers/client.ts'
import { ENCODINGS, post } from '../helpers/client.ts'

/** All of an answer that a stranger could compare with another one. */
function comparable({ status, headers, body }: Answer) {
  const told = [...headers].filter(([name]) => name !== 'date' && name !== 'x-request-id')
  return { status, headers: Object.fromEntries(told), body: { ...body, request_id: undefined } }
}

/** One account of each kind, and addresses that belong to nobody. */
async function everyKind(service: TestApp): Promise<Record<string, string>> {
  const kinds: Record<string, Person> = {
    confirmed: await register(service),
    disabled: await register(service),
    unconfirmed: somebody(),
  }
  await post(`${service.url}/register`, { ...kinds['unconfirmed'] })
  await service.app.database.pool.query('UPDATE users SET disabled_at = now() WHERE email = $1', [
    kinds['disabled']?.email,
  ])
  return {
    ...Object.fromEntries(Object.entries(kinds).map(([kind, { email }]) => [kind, email])),
    unknown: somebody().email,
    'unknown, and odd': `o'neil+${somebody().username}@xn--bcher-kva.example`,
  }
}

for (const path of ['/request-reset', '/resend-verification']) {
  t.test(`${path} answers the same, byte for byte, whether or not there is an account`, async (t) => {
    const service = await startApp(t)
    const addresses = await everyKind(service)
    for (const encoding of ENCODINGS) {
      for (const headers of [{}, { accept: 'text/html' }]) {
        const expected = comparable(
          await post(service.url + path, { email: somebody().email }, { encoding, headers }),
        )
        t.match(expected, { status: 200, headers: { 'cache-control': 'no-store' } })
        for (const [kind, email] of Object.entries(addresses)) {
          // Four rounds, so that the letters of the hour are used up on the way.
          for (let round = 0; round < 4; round += 1) {
            const answer = await post(service.url + path, { email }, { encoding, headers })
            t.same(comparable(answer), expected, kind)
          }
        }
      }
    }
  })

  t.test(`${path} looks nothing up while the caller waits`, async (t) => {
    const service = await startApp(t)
    const { email } = await register(service)
    const client = await service.app.database.pool.connect()
    try {
      await client.query('BEGIN; LOCK TABLE users, outbox, events IN ACCESS EXCLUSIVE MODE')
      for (const address of [email, somebody().email]) {
        t.equal((await post(service.url + path, { email: address })).status, 200)
      }
    } finally {
      await client.query('ROLLBACK')
      client.release()
    }
    await requestsAdmitted(service)
    const { rows } = await service.app.database.pool.query(
      `SELECT count(*)::int AS n FROM events WHERE kind IN ('reset_requested', 'verification_requested')`,
    )
    t.same(rows, [{ n: 1 }], 'and the account is found afterwards')
  })
}

t.test('/token answers the same, byte for byte, to whoever does not have the password', async (t) => {
  const service = await startApp(t)
  const addresses = await everyKind(service)
  const { pool } = service.app.database
  for (const hash of ['', '!', '!unusable', 'md5$salt$hash', 'bcrypt_sha256$$2b$12$cut off']) {
    const person = await register(service)
    await pool.query('UPDATE users SET password_hash = $1 WHERE email = $2', [hash, person.email])
    addresses[`with the hash ${hash}`] = person.email
  }
  const { rows } = await pool.query<{ email: string; username: string }>('SELECT email, username FROM users')
  const names = new Map(rows.map(({ email, username }) => [email, username]))
  const compare = async (password: string, encoding: (typeof ENCODINGS)[number]) => {
    const ask = (who: Record<string, string>) =>
      post(`${service.url}/token`, { ...who, password }, { encoding })
    const expected = comparable(await ask({ username: somebody().username }))
    t.match(expected, { status: 401, body: { code: 'invalid_credentials' } })
    for (const [kind, email] of Object.entries(addresses)) {
      t.same(comparable(await ask({ email })), expected, `${kind}, by address`)
      const username = names.get(email) ?? somebody().username
      t.same(comparable(await ask({ username })), expected, `${kind}, by name`)
    }
  }
  for (const encoding of ENCODINGS) await compare('a wrong guess', encoding)
  for (const password of ['x', `${'a'.repeat(72)}X`, 'x'.repeat(1024)]) await compare(password, 'json')

  const tooLong = (email = '') =>
    post(`${service.url}/token`, { email, password: 'x'.repeat(1025) }).then(comparable)
  t.same(await tooLong(addresses['confirmed']), await tooLong(somebody().email), 'nobody looks whose it is')
})

t.test(
  'an account that a stranger makes for an address does not tell him whether it has an owner',
  async (t) => {
    const service = await startApp(t)
    const owned = (await register(service)).email
    const answers: Record<string, unknown> = {}
    for (const email of [owned, somebody().email]) {
      const { username, password } = somebody()
      t.equal((await post(`${service.url}/register`, { username, email, password })).status, 201)
      for (const field of ['email', 'username']) {
        const answer = await post(`${service.url}/token`, { [field]: email, password })
        t.match(answer, { status: 403, body: { code: 'account_not_verified' } }, 'he is told of his own')
        answers[`${field} ${email}`] = comparable(answer)
      }
      answers[`his name, ${email}`] = comparable(await post(`${service.url}/token`, { username, password }))
    }
    t.equal(new Set(Object.values(answers).map((answer) => JSON.stringify(answer))).size, 1)
    const { rows } = await service.app.database.pool.query(
      `SELECT count(*)::int AS n FROM events e JOIN users u ON u.id = e.user_id AND u.email_verified_at IS NOT NULL
       WHERE e.kind = 'login_failed'`,
    )
    t.same(rows, [{ n: 0 }], 'and the owner hears nothing of it')
  },
)

t.test('a name with an @ that was moved in is not told of to whoever sends a bad registration', async (t) => {
  const service = await startApp(t)
  const { email, username } = await register(service)
  await service.app.database.pool.query('UPDATE users SET username_key = $1 WHERE username = $2', [
    email,
    username,
  ])
  const complaints = (address: string) =>
    post(`${service.url}/register`, { username: address, email: address, password: 'x' })
  const known = await complaints(email)
  t.equal(known.status, 400)
  t.same(comparable(known), comparable(await complaints(somebody().email)))
})

t.test('/register answers the same, byte for byte, whoever has the address', async (t) => {
  const service = await startApp(t)
  const { 'unknown, and odd': _odd, ...addresses } = await everyKind(service)
  for (const encoding of ENCODINGS) {
    const answers: Record<string, unknown> = {}
    for (const [kind, email] of Object.entries(addresses)) {
      for (const form of [email, email.replace('user', 'USER')]) {
        const { username, password } = somebody()
        const answer = await post(
          `${service.url}/register`,
          { username, email: form, password },
          { encoding },
        )
        t.match(answer, { status: 201, body: { username, email: form, is_active: false } }, kind)
        // What it was sent itself, and of the same length each time.
        answers[form] = comparable({ ...answer, body: { ...answer.body, username: '', email: '' } })
      }
    }
    t.equal(new Set(Object.values(answers).map((answer) => JSON.stringify(answer))).size, 1)
  }
})

t.test('what strangers ask for is done once, by whichever replica, and leaves nothing behind', async (t) => {
  const service = await startApp(t)
  const replica = await startApp(t, {}, { beside: service })
  const people: Person[] = []
  for (let index = 0; index < 5; index += 1) people.push(await register(service))
  const asked = await Promise.all(
    people.flatMap(({ email }) =>
      [service, replica].map(({ url }) => post(`${url}/request-reset`, { email })),
    ),
  )
  t.ok(asked.every(({ status }) => status === 200))
  await requestsAdmitted(service)
  const { rows } = await service.app.database.pool.query(
    `SELECT (SELECT count(*) FROM letter_requests)::int AS requests,
            (SELECT count(*) FROM outbox WHERE kind = 'reset')::int AS letters,
            (SELECT count(*) FROM events WHERE kind = 'reset_requested')::int AS events`,
  )
  t.same(rows, [{ requests: 0, letters: 10, events: 10 }])
})

t.test(
  'a request that the database could not take is no promise: 503, and the caller may ask again',
  async (t) => {
    const service = await startApp(t)
    const { email } = await register(service)
    const client = await service.app.database.pool.connect()
    try {
      await client.query('BEGIN; LOCK TABLE letter_requests IN ACCESS EXCLUSIVE MODE')
      const refused = await post(`${service.url}/request-reset`, { email })
      t.match(refused, { status: 503, body: { code: 'unavailable' } })
      t.match(refused.headers.get('retry-after'), /^\d+$/)
    } finally {
      await client.query('ROLLBACK')
      client.release()
    }
    t.equal((await post(`${service.url}/request-reset`, { email })).status, 200)
  },
)
