import t from 'tap'
import { register, signedIn, signIn, somebody, tokensOf, verificationToken } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import { bearer, ENCODINGS, get, post, text, untilRefused } from '../helpers/client.ts'

const GRACE_SECONDS = 1

/** Answers until the session of the access token is refused, and says how long that took. */
async function millisecondsUntilRefused(service: TestApp, access: string): Promise<number> {
  const started = performance.now()
  await untilRefused(service, access)
  return performance.now() - started
}

/** Until the clock of the database has passed the grace: the one condition that only time can bring. */
async function graceIsOver(service: TestApp): Promise<void> {
  await service.app.database.pool.query('SELECT pg_sleep($1)', [GRACE_SECONDS + 0.05])
}

t.test('the whole story, in each encoding', async (t) => {
  const service = await startApp(t, { REFRESH_GRACE: `${GRACE_SECONDS}s` })
  const replica = await startApp(t, { REFRESH_GRACE: `${GRACE_SECONDS}s` }, { beside: service })
  const { url } = service

  for (const encoding of ENCODINGS) {
    await t.test(encoding, async (t) => {
      const person = somebody()
      const credentials = { username: person.username, password: person.password }

      const registered = await post(
        `${url}/register`,
        { ...person, first_name: 'Ada', city: 'Köln' },
        { encoding },
      )
      t.equal(registered.status, 201)
      t.match(registered.body, { username: person.username, is_active: false, profile: { city: 'Köln' } })
      t.notOk('access' in registered.body, 'no token before the address is confirmed')

      const early = await post(`${url}/token`, credentials, { encoding })
      t.match(early, { status: 403, body: { code: 'account_not_verified' } })

      const token = await verificationToken(service, person.email)
      t.equal((await post(`${url}/verify-email`, { token }, { encoding })).status, 200)
      t.match(await post(`${url}/verify-email`, { token }, { encoding }), {
        status: 400,
        body: { code: 'link_invalid' },
      })

      const signedIn = await post(`${url}/token`, credentials, { encoding })
      t.match(signedIn, { status: 200, body: { token_type: 'Bearer', user: { username: person.username } } })
      t.equal(signedIn.headers.get('cache-control'), 'no-store')

      const status = await get(`${url}/check-auth-status`, text(signedIn, 'access'))
      t.match(status, {
        status: 200,
        body: { is_authenticated: true, username: person.username, first_name: 'Ada' },
      })

      const chain = [tokensOf(signedIn)]
      for (let round = 0; round < 3; round += 1) {
        const refreshed = await post(`${url}/refresh`, { refresh: chain.at(-1)?.refresh ?? '' }, { encoding })
        t.equal(refreshed.headers.get('keyturn-refresh'), 'rotated')
        chain.push(tokensOf(refreshed))
      }
      t.equal(new Set(chain.map(({ refresh }) => refresh)).size, 4, 'four generations, four tokens')
      const [, , previous, newest] = chain
      if (previous === undefined || newest === undefined) throw new Error('the chain is too short')

      t.equal((await get(`${url}/check-auth-status`, newest.access)).status, 200, 'the newest has been seen')
      await graceIsOver(service)
      const replayed = await post(`${url}/refresh`, { refresh: previous.refresh }, { encoding })
      t.match(replayed, { status: 401, body: { code: 'refresh_replayed' } })
      const successor = await post(`${url}/refresh`, { refresh: newest.refresh }, { encoding })
      t.match(successor, { status: 401, body: { code: 'session_revoked' } })
      t.ok((await millisecondsUntilRefused(service, newest.access)) < 2000, 'refused here within 2 s')
      t.ok(
        (await millisecondsUntilRefused(replica, newest.access)) < 2000,
        'refused by the other replica within 2 s',
      )

      const again = tokensOf(await post(`${url}/token`, credentials, { encoding }))
      const out = await post(`${url}/logout`, {}, { encoding, headers: bearer(again.access) })
      t.match(out, { status: 200, body: { success: true } })
      t.match(await post(`${url}/refresh`, { refresh: again.refresh }, { encoding }), { status: 401 })
      t.match(await get(`${url}/check-auth-status`, again.access), {
        status: 401,
        body: { is_authenticated: false, code: 'invalid_token' },
      })
    })
  }
})

t.test('each mode of EMAIL_VERIFICATION', async (t) => {
  await t.test('optional: active at once, the address confirmed later', async (t) => {
    const service = await startApp(t, { EMAIL_VERIFICATION: 'optional' })
    const person = somebody()
    t.match((await post(`${service.url}/register`, { ...person })).body, { is_active: true })
    const { access } = await signIn(service, person)
    t.match((await get(`${service.url}/user`, access)).body, { email_verified: false })
    await post(`${service.url}/verify-email`, { token: await verificationToken(service, person.email) })
    t.match((await get(`${service.url}/user`, access)).body, { email_verified: true })
  })

  await t.test('off: tokens at once, and a taken address is a field error', async (t) => {
    const service = await startApp(t, { EMAIL_VERIFICATION: 'off' })
    const person = somebody()
    const registered = await post(`${service.url}/register`, { ...person })
    t.equal((await get(`${service.url}/check-auth-status`, text(registered, 'access'))).status, 200)
    const other = { ...person, username: somebody().username }
    t.match(await post(`${service.url}/register`, other), {
      status: 400,
      body: { errors: { email: [/already/] } },
    })
  })

  await t.test('required: a taken address is not revealed, and its owner is told', async (t) => {
    const service = await startApp(t)
    const owner = await register(service)
    const stranger = { ...owner, username: somebody().username }
    const answer = await post(`${service.url}/register`, stranger)
    t.match(answer, { status: 201, body: { is_active: false, email: owner.email } })
    t.match(
      await post(`${service.url}/token`, stranger),
      { status: 400 },
      'username and email together are refused',
    )
    const { username, password } = stranger
    t.match(await post(`${service.url}/token`, { username, password }), { status: 403 })
    t.match(await post(`${service.url}/token`, { email: owner.email, password }), {
      status: 200,
      body: { user: { username: owner.username } },
    })
  })
})

t.test('a phone whose access token has expired signs out by its refresh token', async (t) => {
  const service = await startApp(t)
  const { refresh } = await signedIn(service)
  t.match(await post(`${service.url}/logout`, { refresh }), { status: 200, body: { success: true } })
  t.match(await post(`${service.url}/logout`, { refresh }), { status: 200 }, 'once more is fine')
  t.match(
    await post(`${service.url}/logout`, { refresh: 'not a token' }),
    { status: 200 },
    'and so is nonsense',
  )
  t.match(await post(`${service.url}/refresh`, { refresh }), {
    status: 401,
    body: { code: 'session_revoked' },
  })
})

t.test('logging out everywhere ends every session and counts them', async (t) => {
  const service = await startApp(t)
  const person = await register(service)
  const sessions = await Promise.all([1, 2, 3].map(() => signIn(service, person)))
  const [first] = sessions
  const out = await post(`${service.url}/logoutall`, {}, { headers: bearer(first?.access ?? '') })
  t.match(out, { status: 200, body: { success: true, sessions: 3 } })
  for (const { access, refresh } of sessions) {
    t.equal((await get(`${service.url}/check-auth-status`, access)).status, 401)
    t.equal((await post(`${service.url}/refresh`, { refresh })).status, 401)
  }
})

t.test('HEAD asks for a status without a body', async (t) => {
  const service = await startApp(t)
  const { access, username } = await signedIn(service)
  const answer = await fetch(`${service.url}/check-auth-status`, { method: 'HEAD', headers: bearer(access) })
  t.equal(answer.status, 200)
  t.equal(answer.headers.get('x-auth-username'), username)
  t.equal(await answer.text(), '')
})

t.test('a disabled account is told so by its own password alone', async (t) => {
  const service = await startApp(t)
  const { username, password } = await register(service)
  await service.app.database.pool.query('UPDATE users SET disabled_at = now()')
  t.match(await post(`${service.url}/token`, { username, password }), {
    status: 403,
    body: { code: 'account_disabled' },
  })
  const wrong = await post(`${service.url}/token`, { username, password: 'not it' })
  const unknown = await post(`${service.url}/token`, { username: somebody().username, password })
  t.match(wrong, { status: 401, body: { code: 'invalid_credentials' } })
  t.same({ ...wrong.body, request_id: '' }, { ...unknown.body, request_id: '' })
})

t.test(
  'somebody who signs up with an address after its owner does not get it by the letter asked for again',
  async (t) => {
    const service = await startApp(t)
    const owner = somebody()
    const squatter = { ...somebody(), email: owner.email }
    await post(`${service.url}/register`, { ...owner })
    await verificationToken(service, owner.email)
    await post(`${service.url}/register`, { ...squatter })
    await post(`${service.url}/resend-verification`, { email: owner.email })
    const names = async () => {
      const { body } = await get(`${service.url}/dev/mailbox.json?to=${owner.email}`)
      const letters = body['messages'] as { text: string }[]
      return [owner, squatter].map(
        ({ username }) => letters.filter(({ text }) => text.includes(username)).length,
      )
    }
    for (let sent = await names(); sent[0] !== 2 || sent[1] !== 2; sent = await names()) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    t.same(await names(), [2, 2], 'each letter names the account that it is for')
  },
)
