import t from 'tap'
import type { Person, Tokens } from '../helpers/accounts.ts'
import { register, resetToken, signedIn, signIn, somebody } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import { bearer, ENCODINGS, get, post, send, untilRefused } from '../helpers/client.ts'
import { createSmtpServer } from '../helpers/smtp.ts'

type SignedIn = Person & Tokens

function edit(
  service: TestApp,
  method: 'PUT' | 'PATCH',
  { access }: Tokens,
  fields: Readonly<Record<string, unknown>>,
  encoding: (typeof ENCODINGS)[number] = 'json',
) {
  return send(method, `${service.url}/user`, fields, { encoding, headers: bearer(access) })
}

function remove(service: TestApp, { access }: Tokens, password: string, headers = {}) {
  return send('DELETE', `${service.url}/user`, { password }, { headers: { ...bearer(access), ...headers } })
}

async function rowOf(service: TestApp, { username }: Person): Promise<Record<string, unknown>> {
  const { rows } = await service.app.database.pool.query('SELECT * FROM users WHERE username = $1', [
    username,
  ])
  return rows[0]
}

t.test('PATCH changes what it names and PUT replaces the profile, in each encoding', async (t) => {
  const service = await startApp(t)
  for (const encoding of ENCODINGS) {
    const person = await signedIn(service)
    t.match(await edit(service, 'PATCH', person, { first_name: 'Ada', city: 'Köln' }, encoding), {
      status: 200,
      body: { username: person.username, first_name: 'Ada', last_name: '', profile: { city: 'Köln' } },
    })
    await edit(service, 'PATCH', person, { last_name: 'Lovelace', country: 'DE' }, encoding)
    const { body } = await get(`${service.url}/user`, person.access)
    t.match(body, { first_name: 'Ada', last_name: 'Lovelace' })
    t.strictSame(body['profile'], { city: 'Köln', country: 'DE' })

    const put = await edit(service, 'PUT', person, { first_name: 'Grace', city: 'Rom' }, encoding)
    t.match(put, { status: 200, body: { first_name: 'Grace', last_name: 'Lovelace' } })
    t.strictSame(put.body['profile'], { city: 'Rom' })
    t.equal(put.headers.get('cache-control'), 'no-store')

    const { username } = somebody()
    t.match(await edit(service, 'PATCH', person, { username }, encoding), { status: 200, body: { username } })
    t.equal((await post(`${service.url}/token`, { username, password: person.password })).status, 200)
    t.equal(
      (await post(`${service.url}/token`, { username: person.username, password: person.password })).status,
      401,
    )
  }
})

t.test('JSON keeps numbers and truth values of a profile', async (t) => {
  const service = await startApp(t)
  const person = await signedIn(service)
  const profile = { age: 36, ratio: 0.1, member: true, note: '' }
  t.strictSame((await edit(service, 'PATCH', person, profile)).body['profile'], profile)
})

t.test('an edit that changes nothing is fine, and leaves no event', async (t) => {
  const service = await startApp(t)
  const person = await signedIn(service)
  await edit(service, 'PATCH', person, { city: 'Köln' })
  for (const fields of [{}, { city: 'Köln' }, { username: person.username, first_name: '' }]) {
    t.equal((await edit(service, 'PATCH', person, fields)).status, 200)
  }
  const { rows } = await service.app.database.pool.query(
    `SELECT count(*)::int AS n FROM events WHERE kind = 'account_updated'`,
  )
  t.same(rows, [{ n: 1 }])
})

t.test('names that are ours are refused in each encoding, and the row is as it was', async (t) => {
  const service = await startApp(t)
  const person = await signedIn(service)
  const before = await rowOf(service, person)
  const names = [
    'is_admin',
    'is_staff',
    'role',
    'roles',
    'id',
    'sub',
    'email_verified',
    'is_active',
    'password_hash',
    'token_version',
    'created_at',
    'email',
    'password',
    'exp',
    'own',
  ]
  for (const encoding of ENCODINGS) {
    for (const name of names) {
      for (const method of ['PUT', 'PATCH'] as const) {
        t.match(
          await edit(service, method, person, { [name]: 'true', city: 'Rom' }, encoding),
          { status: 400, body: { code: 'validation_failed', errors: { [name]: [/\w/] } } },
          `${method} ${name} as ${encoding}`,
        )
      }
    }
    for (const name of ['is_admin', 'id', 'sub', 'password_hash', 'created_at']) {
      const answer = await post(`${service.url}/register`, { ...somebody(), [name]: 'true' }, { encoding })
      t.match(answer, { status: 400, body: { errors: { [name]: [/reserved/] } } }, `register ${name}`)
    }
  }
  t.strictSame(await rowOf(service, person), before)
  t.match((await edit(service, 'PATCH', person, { email: 'a@example.org', password: 'x' })).body, {
    errors: { email: [/change-email/], password: [/change-password/] },
  })
  const list = {
    method: 'PATCH',
    body: '[{"first_name":"x"}]',
    headers: { ...bearer(person.access), 'content-type': 'application/json' },
  }
  t.equal((await fetch(`${service.url}/user`, list)).status, 400)
})

t.test('everybody gets and changes their own account and no other', async (t) => {
  const service = await startApp(t)
  const [one, other] = [await signedIn(service), await signedIn(service)]
  const { body } = await get(`${service.url}/user`, other.access)
  const id = body['id']
  const answer = await fetch(`${service.url}/user?id=${id}`, {
    headers: { ...bearer(one.access), 'x-user-id': String(id) },
  })
  t.match(await answer.json(), { username: one.username })
  t.equal((await get(`${service.url}/user/${id}`, one.access)).status, 404)
  t.equal((await edit(service, 'PATCH', one, { id, first_name: 'x' })).status, 400)
  t.equal((await send('PATCH', `${service.url}/user`, { first_name: 'x' })).status, 401)
})

t.test(
  'a user name that is taken, reserved or no name is refused; one that was given up is free',
  async (t) => {
    const service = await startApp(t)
    const person = await signedIn(service)
    const other = await signedIn(service)
    for (const username of [
      other.username,
      other.username.toUpperCase(),
      'admin',
      'a b',
      '',
      'someone@example.org',
    ]) {
      t.match(
        await edit(service, 'PATCH', person, { username }),
        { status: 400, body: { errors: { username: [/\w/] } } },
        username,
      )
    }
    t.equal(
      (await edit(service, 'PATCH', person, { username: person.email })).status,
      200,
      'the own address is fine',
    )
    t.equal((await edit(service, 'PATCH', other, { username: person.username })).status, 200)
  },
)

t.test('of eight accounts that want one name at once exactly one gets it', async (t) => {
  const service = await startApp(t)
  const replica = await startApp(t, {}, { beside: service })
  const people: SignedIn[] = []
  for (let index = 0; index < 8; index += 1) people.push(await signedIn(service))
  const { username } = somebody()
  const answers = await Promise.all(
    people.map((person, index) => edit(index % 2 === 0 ? service : replica, 'PATCH', person, { username })),
  )
  t.same(answers.map(({ status }) => status).sort(), [200, ...Array(7).fill(400)])
})

t.test('edits of different fields at once are all kept', async (t) => {
  const service = await startApp(t)
  const person = await signedIn(service)
  const fields = Array.from({ length: 6 }, (_, index) => [`field${index}`, `value${index}`])
  const answers = await Promise.all(
    fields.map(([name = '', value]) => edit(service, 'PATCH', person, { [name]: value })),
  )
  t.ok(answers.every(({ status }) => status === 200))
  t.strictSame((await get(`${service.url}/user`, person.access)).body['profile'], Object.fromEntries(fields))
})

t.test('deleting wants the password, and ten wrong ones stop whoever has stolen a token', async (t) => {
  const service = await startApp(t, { RATE_LIMIT: 'on' })
  const person = await signedIn(service)
  const thief = { 'user-agent': 'thief' }
  t.match(await remove(service, person, '', thief), { status: 400 })
  t.match(await send('DELETE', `${service.url}/user`, {}, { headers: bearer(person.access) }), {
    status: 400,
    body: { errors: { password: ['This field is required.'] } },
  })
  for (let guess = 0; guess < 10; guess += 1) {
    t.match(await remove(service, person, `wrong guess ${guess}`, thief), {
      status: 403,
      body: { code: 'wrong_password' },
    })
  }
  t.equal((await remove(service, person, person.password, thief)).status, 429)
  t.equal((await get(`${service.url}/user`, person.access)).status, 200)
})

t.test('nothing about a deleted account is left in any table', async (t) => {
  const smtp = await createSmtpServer(t)
  const service = await startApp(t, {
    EMAIL_VERIFICATION: 'optional',
    PASSWORD_HISTORY: '2',
    SMTP_URL: smtp.url,
  })
  const person = somebody()
  const agent = { 'user-agent': 'a telling device' }
  await post(`${service.url}/register`, {
    ...person,
    first_name: 'Adelheid',
    last_name: 'Zuckmayer',
    city: 'Quedlinburg',
  })
  const { username, password } = person
  const tokens = await post(`${service.url}/token`, { username, password }, { headers: agent })
  const access = String(tokens.body['access'])
  const headers = { ...bearer(access), ...agent }
  const json = { ...headers, 'content-type': 'application/json' }
  await fetch(`${service.url}/user/widgets`, { method: 'POST', body: '"a telling document"', headers: json })
  const passwords = { current_password: person.password, new_password: 'an entirely new pass phrase' }
  t.equal((await post(`${service.url}/change-password`, passwords, { headers })).status, 200)
  const pending = 'telling.address@example.org'
  t.equal(
    (
      await post(
        `${service.url}/change-email`,
        { email: pending, password: passwords.new_password },
        { headers },
      )
    ).status,
    200,
  )
  await service.app.database.pool.query(
    `INSERT INTO former_emails (id, user_id, email, email_key)
     SELECT gen_random_uuid(), id, 'telling.former@example.org', 'telling.former@example.org' FROM users`,
  )

  const traces = [
    person.username,
    person.email,
    'Adelheid',
    'Zuckmayer',
    'Quedlinburg',
    'telling',
    'bcrypt_sha256',
    '127.0.0.1',
  ]
  const found = async () => {
    const { rows: tables } = await service.app.database.pool.query<{ name: string }>(
      `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'`,
    )
    const places: string[] = []
    for (const { name } of tables) {
      for (const trace of traces) {
        const { rows } = await service.app.database.pool.query(
          `SELECT 1 FROM "${name}" AS row WHERE row::text ILIKE $1 LIMIT 1`,
          [`%${trace}%`],
        )
        if (rows.length > 0) places.push(`${trace} in ${name}`)
      }
    }
    return places
  }
  const before = (await found()).map((place) => place.split(' in ')[1])
  for (const table of [
    'users',
    'sessions',
    'events',
    'outbox',
    'widgets',
    'password_history',
    'former_emails',
  ]) {
    t.ok(before.includes(table), `there was something to erase in ${table}`)
  }

  t.equal((await remove(service, { access, refresh: '' }, passwords.new_password, agent)).status, 200)
  t.same(await found(), [])
  const { rows } = await service.app.database.pool.query(
    `SELECT count(*) FILTER (WHERE kind = 'account_deleted')::int AS deleted, count(user_id)::int AS named FROM events`,
  )
  t.same(rows, [{ deleted: 1, named: 0 }], 'what happened is still known, and of whom is not')
})

t.test('a deleted account is gone at once: tokens, links, name and address', async (t) => {
  const service = await startApp(t)
  const replica = await startApp(t, {}, { beside: service })
  const person = await signedIn(service)
  const elsewhere = await signIn(service, person)
  const link = await resetToken(service, person.email)
  const { id } = (await get(`${service.url}/user`, person.access)).body

  t.match(await remove(service, person, person.password), { status: 200, body: { success: true } })
  t.match(await remove(service, person, person.password), { status: 401, body: { code: 'invalid_token' } })
  for (const { access, refresh } of [person, elsewhere]) {
    t.equal((await get(`${service.url}/user`, access)).status, 401)
    for (const { url } of [service, replica]) {
      await untilRefused({ url }, access)
      t.equal((await post(`${url}/refresh`, { refresh })).status, 401)
    }
  }
  t.equal(
    (await post(`${service.url}/token`, { username: person.username, password: person.password })).status,
    401,
  )
  t.match(await post(`${service.url}/reset`, { token: link, password: 'an entirely new pass phrase' }), {
    status: 400,
    body: { code: 'link_invalid' },
  })

  const { username, email, password } = person
  await register(service, { username, email, password })
  const again = await signIn(service, person)
  const { body } = await get(`${service.url}/user`, again.access)
  t.not(body['id'], id, 'who takes the name next is somebody else')
  t.match(body, { username: person.username, email: person.email, profile: {} })
  t.equal((await post(`${service.url}/refresh`, { refresh: person.refresh })).status, 401)
})

t.test('two that delete one account at once leave one record of it', async (t) => {
  const service = await startApp(t)
  const person = await signedIn(service)
  const answers = await Promise.all([1, 2, 3].map(() => remove(service, person, person.password)))
  t.equal(answers.filter(({ status }) => status === 200).length, 1)
  t.ok(answers.every(({ status }) => [200, 401, 403].includes(status)))
  const { rows } = await service.app.database.pool.query(
    `SELECT count(*)::int AS n FROM events WHERE kind = 'account_deleted'`,
  )
  t.same(rows, [{ n: 1 }])
})

t.test('a document that is saved while the account is deleted is not left behind', async (t) => {
  const service = await startApp(t)
  const replica = await startApp(t, {}, { beside: service })
  const person = await signedIn(service)
  const save = () =>
    fetch(`${replica.url}/user/widgets`, {
      method: 'POST',
      body: '1',
      headers: { ...bearer(person.access), 'content-type': 'application/json' },
    })
  await Promise.all([...Array.from({ length: 10 }, save), remove(service, person, person.password)])
  t.match((await save()).status, 401, 'also where the replica has not learnt of it yet')
  const { rows } = await service.app.database.pool.query('SELECT count(*)::int AS n FROM widgets')
  t.same(rows, [{ n: 0 }])
})

t.test('a browser that deletes an account is shown a page', async (t) => {
  const service = await startApp(t)
  const person = await signedIn(service)
  const answer = await remove(service, person, person.password, { accept: 'text/html' })
  t.equal(answer.status, 200)
  t.match(answer.body['text'], '<h1>Your account is deleted</h1>')
})
