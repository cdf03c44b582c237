import t from 'tap'
import type { Person, Tokens } from '../helpers/accounts.ts'
import {
  letterAbout,
  letters,
  letterToken,
  register,
  signedIn,
  signIn,
  somebody,
} from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import type { PostOptions } from '../helpers/client.ts'
import { bearer, ENCODINGS, get, post, untilRefused } from '../helpers/client.ts'

const LINK_INVALID = { status: 400, body: { code: 'link_invalid' } }
const SUCCESS = { status: 200, body: { success: true } }

type SignedIn = Person & Tokens

function ask(service: TestApp, { access, password }: SignedIn, email: string, options: PostOptions = {}) {
  return post(`${service.url}/change-email`, { email, password }, { ...options, headers: bearer(access) })
}

function confirm(service: TestApp, token: string) {
  return post(`${service.url}/confirm-email`, { token })
}

function undo(service: TestApp, token: string) {
  return post(`${service.url}/undo-email`, { token })
}

async function addressOf(service: TestApp, username: string): Promise<string> {
  const { rows } = await service.app.database.pool.query('SELECT email FROM users WHERE username = $1', [
    username,
  ])
  return rows[0].email
}

/** Changes the address for good; returns the token that undoes it. */
async function changed(service: TestApp, person: SignedIn, email: string): Promise<string> {
  await ask(service, person, email)
  await confirm(service, await letterToken(service, email, '/confirm-email'))
  return letterToken(service, person.email, '/undo-email')
}

t.test('nothing changes until the link at the new address is used, and the old one is told', async (t) => {
  const service = await startApp(t)
  for (const encoding of ENCODINGS) {
    const person = await signedIn(service)
    const { email } = somebody()
    t.match(await ask(service, person, email, { encoding }), SUCCESS)
    const token = await letterToken(service, email, '/confirm-email')
    t.ok(await letterAbout(service, person.email, /address is being changed/i))
    for (const method of ['GET', 'GET', 'GET', 'HEAD']) {
      const page = await fetch(`${service.url}/confirm-email?token=${token}`, { method })
      t.equal(page.status, 200)
      await page.text()
    }
    t.match((await get(`${service.url}/user`, person.access)).body, { email: person.email })
    t.equal((await post(`${service.url}/token`, { email, password: person.password })).status, 401)

    t.match(await post(`${service.url}/confirm-email`, { token }, { encoding }), SUCCESS)
    t.match(await confirm(service, token), LINK_INVALID, 'a link works once')
    t.match((await get(`${service.url}/user`, person.access)).body, { email, email_verified: true })
    t.equal((await post(`${service.url}/token`, { email, password: person.password })).status, 200)
    t.equal(
      (await post(`${service.url}/token`, { email: person.email, password: person.password })).status,
      401,
    )
  }
})

t.test('of ten confirmations at once exactly one succeeds', async (t) => {
  const service = await startApp(t)
  const person = await signedIn(service)
  const { email } = somebody()
  await ask(service, person, email)
  const token = await letterToken(service, email, '/confirm-email')
  const answers = await Promise.all(Array.from({ length: 10 }, () => confirm(service, token)))
  t.equal(answers.filter(({ status }) => status === 200).length, 1)
})

t.test('the password is asked for, and an address must be one', async (t) => {
  const service = await startApp(t)
  const person = await signedIn(service)
  t.match(await ask(service, { ...person, password: 'a wrong one' }, somebody().email), {
    status: 403,
    body: { code: 'wrong_password' },
  })
  for (const email of [
    '',
    'nowhere',
    'a@b',
    `${person.email}\r\nBcc: a@example.net`,
    'a@example.org,b@example.org',
  ]) {
    t.match(await ask(service, person, email), { status: 400, body: { errors: { email: [/\w/] } } }, email)
  }
  t.match(await ask(service, person, person.email), { status: 400, body: { errors: { email: [/already/] } } })
  t.equal((await post(`${service.url}/change-email`, { email: 'a@example.org', password: 'x' })).status, 401)
  const { rows } = await service.app.database.pool.query(
    `SELECT count(*)::int AS letters FROM outbox WHERE kind LIKE 'email_change%'`,
  )
  t.same(rows, [{ letters: 0 }])
})

t.test('an address of somebody else is not revealed, its owner is told, and it stays theirs', async (t) => {
  const service = await startApp(t)
  const owner = await register(service)
  const person = await signedIn(service)
  const taken = await ask(service, person, owner.email.toUpperCase())
  const free = await ask(service, person, somebody().email)
  t.same([taken.status, taken.body], [free.status, free.body])
  await ask(service, person, owner.email)
  t.ok(await letterAbout(service, owner.email, /already have an account/i))
  t.notOk(
    (await letters(service, owner.email)).some(({ links }) => links.some((link) => link.includes('confirm'))),
  )
})

t.test('of two accounts that change to one address the first to confirm has it', async (t) => {
  const service = await startApp(t)
  const { email } = somebody()
  const people = await Promise.all([signedIn(service), signedIn(service)])
  const tokens: string[] = []
  for (const [index, person] of people.entries()) {
    await ask(service, person, email)
    tokens.push(await letterToken(service, email, '/confirm-email', index + 1))
  }
  const answers = await Promise.all(tokens.map((token) => confirm(service, token)))
  t.same(answers.map(({ status }) => status).sort(), [200, 400])
  const { rows } = await service.app.database.pool.query(
    'SELECT count(*)::int AS owners FROM users WHERE email = $1',
    [email],
  )
  t.same(rows, [{ owners: 1 }])
})

t.test('a second request makes the link of the first one void', async (t) => {
  const service = await startApp(t)
  const person = await signedIn(service)
  const [first, second] = [somebody().email, somebody().email]
  await ask(service, person, first)
  const token = await letterToken(service, first, '/confirm-email')
  await ask(service, person, second)
  t.match(await confirm(service, token), LINK_INVALID)
  t.match(await confirm(service, await letterToken(service, second, '/confirm-email')), SUCCESS)
})

t.test('a change that is under way is void once the password changes', async (t) => {
  const service = await startApp(t)
  const person = await signedIn(service)
  const { email } = somebody()
  await ask(service, person, email)
  const token = await letterToken(service, email, '/confirm-email')
  const passwords = { current_password: person.password, new_password: 'an entirely new pass phrase' }
  await post(`${service.url}/change-password`, passwords, { headers: bearer(person.access) })
  t.match(await confirm(service, token), LINK_INVALID)
  t.match(
    await undo(service, await letterToken(service, person.email, '/undo-email')),
    LINK_INVALID,
    'nothing is left to undo',
  )
  t.equal((await get(`${service.url}/user`, person.access)).status, 200)
})

for (const when of ['before', 'after'] as const) {
  t.test(`the old address can undo a change ${when} it is confirmed`, async (t) => {
    const service = await startApp(t)
    const replica = await startApp(t, {}, { beside: service })
    const person = await signedIn(service)
    const { email } = somebody()
    await ask(service, person, email)
    const confirmation = await letterToken(service, email, '/confirm-email')
    if (when === 'after') t.match(await confirm(service, confirmation), SUCCESS)
    const token = await letterToken(service, person.email, '/undo-email')
    for (const method of ['GET', 'HEAD', 'GET'])
      await fetch(`${service.url}/undo-email?token=${token}`, { method })
    t.equal((await get(`${service.url}/user`, person.access)).status, 200, 'looking changes nothing')

    t.match(await undo(service, token), SUCCESS)
    t.match(await undo(service, token), LINK_INVALID, 'a link works once')
    t.match(await confirm(service, confirmation), LINK_INVALID)
    t.equal(await addressOf(service, person.username), person.email)

    t.equal((await post(`${service.url}/refresh`, { refresh: person.refresh })).status, 401)
    await untilRefused(replica, person.access)
    for (const identifier of [{ username: person.username }, { email: person.email }, { email }]) {
      const answer = await post(`${service.url}/token`, { ...identifier, password: person.password })
      t.equal(answer.status, 401, 'the password that was known works no more')
    }
    const reset = await letterToken(service, person.email, '/reset')
    t.match(
      await post(`${service.url}/reset`, { token: reset, password: 'an entirely new pass phrase' }),
      SUCCESS,
    )
    t.ok(await signIn(service, { ...person, password: 'an entirely new pass phrase' }))
  })
}

t.test(
  'of ten that undo at once exactly one succeeds, also while the change is being confirmed',
  async (t) => {
    const service = await startApp(t)
    const person = await signedIn(service)
    const { email } = somebody()
    await ask(service, person, email)
    const confirmation = await letterToken(service, email, '/confirm-email')
    const token = await letterToken(service, person.email, '/undo-email')
    const [, ...undone] = await Promise.all([
      confirm(service, confirmation),
      ...Array.from({ length: 10 }, () => undo(service, token)),
    ])
    t.equal(undone.filter(({ status }) => status === 200).length, 1)
    t.equal(await addressOf(service, person.username), person.email)
  },
)

t.test('who steals an account cannot make the way back void by changing the address again', async (t) => {
  const service = await startApp(t)
  const person = await signedIn(service)
  const [one, two] = [somebody().email, somebody().email]
  const wayBack = await changed(service, person, one)
  const thiefsWayBack = await changed(service, { ...person, email: one }, two)
  t.match(await undo(service, thiefsWayBack), SUCCESS, 'each address can be gone back to')
  t.equal(await addressOf(service, person.username), one)
  t.match(await undo(service, wayBack), SUCCESS, 'also those before it')
  t.equal(await addressOf(service, person.username), person.email)
  for (const token of [wayBack, thiefsWayBack]) t.match(await undo(service, token), LINK_INVALID)
})

t.test('the sixth change within a week is refused: no way back may be lost', async (t) => {
  const service = await startApp(t)
  const person = await signedIn(service)
  for (let round = 0; round < 5; round += 1) {
    const { email } = somebody()
    await ask(service, person, email)
    t.match(await confirm(service, await letterToken(service, email, '/confirm-email')), SUCCESS)
  }
  const { pool } = service.app.database
  await pool.query(`
    UPDATE former_emails SET replaced_at = now() - interval '6 days 23 hours'
    WHERE id = (SELECT id FROM former_emails ORDER BY replaced_at LIMIT 1)`)
  const refused = await ask(service, person, somebody().email)
  t.match(refused, { status: 429, body: { code: 'rate_limited' } })
  const seconds = Number(refused.headers.get('retry-after'))
  t.ok(seconds > 3500 && seconds <= 3600, `free again when the oldest is a week old: ${seconds}`)
  t.equal(refused.headers.get('ratelimit'), `"address-changes-of-account";r=0;t=${seconds}`)
  t.equal(refused.headers.get('ratelimit-policy'), '"address-changes-of-account";q=5;w=604800')
  await pool.query(
    `
    UPDATE former_emails SET replaced_at = replaced_at - make_interval(secs => $1)
    WHERE id = (SELECT id FROM former_emails ORDER BY replaced_at LIMIT 1)`,
    [seconds],
  )
  t.match(await ask(service, person, somebody().email), SUCCESS)
})

t.test('a week later there is no way back, by the clock of the database', async (t) => {
  const service = await startApp(t)
  const person = await signedIn(service)
  const token = await changed(service, person, somebody().email)
  await service.app.database.pool.query(
    `UPDATE former_emails SET replaced_at = now() - interval '7 days 1 second'`,
  )
  t.match(await undo(service, token), LINK_INVALID)
})

t.test('an old address that somebody else has confirmed meanwhile is not taken from them', async (t) => {
  const service = await startApp(t)
  const person = await signedIn(service)
  const token = await changed(service, person, somebody().email)
  const heir = await register(service, { ...somebody(), email: person.email })
  t.match(await undo(service, token), LINK_INVALID)
  t.equal(await addressOf(service, heir.username), person.email)
  t.equal((await get(`${service.url}/user`, person.access)).status, 200)
})

t.test('a user name that is the address changes with it, forth and back', async (t) => {
  const service = await startApp(t)
  const { email: old, password } = somebody()
  const { email } = somebody()
  const person = {
    ...(await register(service, { username: old, email: old, password })),
    ...(await signIn(service, { username: old, email: old, password })),
  }
  const token = await changed(service, person, email)
  t.match((await get(`${service.url}/user`, person.access)).body, { username: email, email })
  t.ok(await register(service, { username: old, email: old, password }), 'the old one is free for its owner')
  const other = await signedIn(service)
  t.match(await undo(service, token), LINK_INVALID, 'who has confirmed it')

  const back = await changed(service, other, somebody().email)
  await undo(service, back)
  const { rows } = await service.app.database.pool.query('SELECT username FROM users WHERE email = $1', [
    other.email,
  ])
  t.same(rows, [{ username: other.username }], 'any other user name stays')
})

t.test('nobody can hold an address as a user name: whoever confirms it has both', async (t) => {
  const service = await startApp(t)
  const [old, fresh, { password }] = [somebody().email, somebody().email, somebody()]
  const named = { username: old, email: old, password }
  const person = { ...(await register(service, named)), ...(await signIn(service, named)) }
  await post(`${service.url}/register`, { username: fresh, email: fresh, password })
  await changed(service, person, fresh)
  t.match((await get(`${service.url}/user`, person.access)).body, { username: fresh, email: fresh })
  t.equal((await post(`${service.url}/token`, { username: fresh, password })).status, 200)
})
