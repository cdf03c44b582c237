import t from 'tap'
import type { Person, Tokens } from '../helpers/accounts.ts'
import { letterAbout, register, signedIn, signIn, tokensOf } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import type { Answer } from '../helpers/client.ts'
import { bearer, ENCODINGS, get, post, send, untilAnswered } from '../helpers/client.ts'

const FRESH = 'an entirely new pass phrase'

function change(service: TestApp, { access }: Tokens, current_password: string, new_password = FRESH) {
  return post(
    `${service.url}/change-password`,
    { current_password, new_password },
    { headers: bearer(access) },
  )
}

function trySignIn(service: TestApp, { username }: Person, password: string): Promise<Answer> {
  return post(`${service.url}/token`, { username, password })
}

t.test('the password changes in each encoding, this session goes on and every other one ends', async (t) => {
  const service = await startApp(t)
  for (const encoding of ENCODINGS) {
    const person = await signedIn(service)
    const elsewhere = await signIn(service, person)
    const fields = { current_password: person.password, new_password: FRESH }
    const done = await post(`${service.url}/change-password`, fields, {
      encoding,
      headers: bearer(person.access),
    })
    t.match(done, { status: 200, body: { success: true } })
    t.equal(done.headers.get('cache-control'), 'no-store')

    t.equal((await get(`${service.url}/user`, person.access)).status, 200)
    t.equal((await post(`${service.url}/refresh`, { refresh: person.refresh })).status, 200)
    t.equal((await get(`${service.url}/user`, elsewhere.access)).status, 401)
    t.match(await post(`${service.url}/refresh`, { refresh: elsewhere.refresh }), {
      status: 401,
      body: { code: 'session_revoked' },
    })
    const stale = await post(`${service.url}/logoutall`, {}, { headers: bearer(elsewhere.access) })
    t.equal(stale.status, 401, 'and cannot put the owner out')
    t.equal((await trySignIn(service, person, person.password)).status, 401)
    t.equal((await trySignIn(service, person, FRESH)).status, 200)
    t.ok(await letterAbout(service, person.email, /password was changed/i), 'the owner is told')
  }
})

t.test('without the present password nothing changes', async (t) => {
  const service = await startApp(t)
  const person = await signedIn(service)
  t.match(await change(service, person, 'not the password'), {
    status: 403,
    body: { code: 'wrong_password', errors: { current_password: [/present password/] } },
  })
  for (const fields of [{ new_password: FRESH }, { current_password: '', new_password: FRESH }]) {
    t.match(await post(`${service.url}/change-password`, fields, { headers: bearer(person.access) }), {
      status: 400,
      body: { errors: { current_password: [/\w/] } },
    })
  }
  t.match(
    await post(`${service.url}/change-password`, { current_password: person.password, new_password: FRESH }),
    { status: 401, body: { code: 'token_missing' } },
  )
  t.match(await change(service, person, person.password, 'short'), {
    status: 400,
    body: { code: 'validation_failed', errors: { new_password: [/at least 8/] } },
  })
  t.equal((await trySignIn(service, person, person.password)).status, 200)
})

t.test('the same password again is allowed, and ends the other sessions all the same', async (t) => {
  const service = await startApp(t)
  const person = await signedIn(service)
  const elsewhere = await signIn(service, person)
  t.equal((await change(service, person, person.password, person.password)).status, 200)
  t.equal((await post(`${service.url}/refresh`, { refresh: elsewhere.refresh })).status, 401)
  t.equal((await trySignIn(service, person, person.password)).status, 200)
})

t.test(
  'a stolen access token has ten guesses, wherever they are made, and a refresh gives no more',
  async (t) => {
    const service = await startApp(t, { RATE_LIMIT: 'on' })
    const person = await signedIn(service)
    const ask = (method: string, path: string, access: string, fields: Record<string, string>) =>
      send(method, `${service.url}${path}`, fields, { headers: { ...bearer(access), 'user-agent': 'thief' } })
    const thief = (password: string, access = person.access) =>
      ask('POST', '/change-password', access, { current_password: password, new_password: FRESH })
    for (let guess = 0; guess < 8; guess += 1) t.equal((await thief(`wrong guess ${guess}`)).status, 403)
    t.equal((await ask('DELETE', '/user', person.access, { password: 'a wrong guess' })).status, 403)
    const elsewhere = { email: 'eve@example.org', password: 'a wrong guess' }
    t.equal((await ask('POST', '/change-email', person.access, elsewhere)).status, 403)
    const stopped = await thief(person.password)
    t.match(stopped, { status: 429, body: { code: 'rate_limited' } })
    t.match(stopped.headers.get('retry-after'), /^\d+$/)
    const { access } = tokensOf(await post(`${service.url}/refresh`, { refresh: person.refresh }))
    t.equal((await thief(person.password, access)).status, 429)
    const again = await signIn(service, person)
    t.equal(
      (await change(service, { ...person, ...again }, person.password)).status,
      200,
      'the owner signs in',
    )
  },
)

t.test(
  'strangers who guess at an account do not keep whoever is signed in from his password, wherever he is',
  async (t) => {
    const service = await startApp(t, { RATE_LIMIT: 'on' })
    const person = await signedIn(service)
    const headers = { 'user-agent': 'stranger' }
    const guess = { username: person.username, password: 'a wrong guess' }
    for (let attempt = 0; attempt < 11; attempt += 1) await post(`${service.url}/token`, guess, { headers })
    const right = { username: person.username, password: person.password }
    t.equal((await post(`${service.url}/token`, right, { headers })).status, 429)
    const elsewhere = { headers: { ...bearer(person.access), 'user-agent': 'on a train' } }
    const email = { email: 'ada@example.org', password: person.password }
    t.equal((await post(`${service.url}/change-email`, email, elsewhere)).status, 200)
    const fresh = { current_password: person.password, new_password: FRESH }
    t.equal((await post(`${service.url}/change-password`, fresh, elsewhere)).status, 200)
    t.equal((await send('DELETE', `${service.url}/user`, { password: FRESH }, elsewhere)).status, 200)
  },
)

t.test('good passwords do not count', async (t) => {
  const service = await startApp(t, { RATE_LIMIT: 'on' })
  const person = await signedIn(service)
  for (let round = 0; round < 12; round += 1) {
    t.equal((await change(service, person, person.password, person.password)).status, 200)
  }
})

t.test(
  'of two changes at once one wins, and the other learns that its password is not the present one',
  async (t) => {
    const service = await startApp(t)
    const replica = await startApp(t, {}, { beside: service })
    const person = await register(service)
    const sessions = await Promise.all([signIn(service, person), signIn(replica, person)])
    const fresh = ['the first new pass phrase', 'the second new pass phrase']
    const answers = await Promise.all(
      sessions.map((session, index) =>
        change(index === 0 ? service : replica, session, person.password, fresh[index]),
      ),
    )
    const winner = answers.findIndex(({ status }) => status === 200)
    // A loser whose session has ended by then is told that instead.
    t.ok([401, 403].includes(answers[1 - winner]?.status ?? 0))
    t.equal((await trySignIn(service, person, fresh[winner] ?? '')).status, 200)
    t.equal((await trySignIn(service, person, fresh[1 - winner] ?? '')).status, 401)
  },
)

t.test('no other session that was bought with the old password outlives the change', async (t) => {
  const service = await startApp(t)
  const person = await signedIn(service)
  const signIns = Array.from({ length: 15 }, () => trySignIn(service, person, person.password))
  const [, ...answers] = await Promise.all([
    untilAnswered(() => change(service, person, person.password)),
    ...signIns,
  ])
  t.ok(answers.every(({ status }) => [200, 401, 503].includes(status)))
  t.equal((await trySignIn(service, person, person.password)).status, 401)
  const late = answers.filter(({ status }) => status === 200).map(tokensOf)
  const refreshed = await Promise.all(late.map(({ refresh }) => post(`${service.url}/refresh`, { refresh })))
  t.ok(refreshed.every(({ status }) => status === 401))
  const { rows } = await service.app.database.pool.query(
    'SELECT count(*)::int AS alive FROM sessions WHERE revoked_at IS NULL',
  )
  t.same(rows, [{ alive: 1 }])
})
