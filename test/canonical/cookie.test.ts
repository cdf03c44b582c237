import t from 'tap'
import type { Person } from '../helpers/accounts.ts'
import { register, resetToken, somebody } from '../helpers/accounts.ts'
import type { Settings, TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import type { Answer } from '../helpers/client.ts'
import { bearer, ENCODINGS, get, post, send, text } from '../helpers/client.ts'

const NAME = '__Host-keyturn_refresh'
const PAGE = 'https://app.example.com'
const OWN = 'https://auth.example.com'
const COOKIES: Settings = { REFRESH_COOKIE: 'on', CORS_ORIGINS: PAGE, PUBLIC_URL: OWN }
const REFUSED = { status: 403, body: { code: 'origin_refused' } }

type Headers = Readonly<Record<string, string>>

/** What the answer would have the browser keep. */
function cookieOf(answer: Answer): { value: string; attributes: string[] } {
  const [pair = '', ...attributes] = (answer.headers.getSetCookie()[0] ?? '').split('; ')
  const [name, value = ''] = pair.split('=')
  if (name !== NAME) throw new Error(`an answer ${answer.status} sets no ${NAME}`)
  return { value, attributes }
}

function withCookie(value: string, headers: Headers = { origin: PAGE }): Headers {
  return { cookie: `theme=dark; ${NAME}=${value}; other=1`, ...headers }
}

function signInFrom(service: TestApp, { username, password }: Person, headers: Headers = { origin: PAGE }) {
  return post(`${service.url}/token`, { username, password }, { headers })
}

function refreshWith(service: TestApp, value: string, headers?: Headers) {
  return post(`${service.url}/refresh`, {}, { headers: withCookie(value, headers) })
}

t.test('the refresh token travels in a cookie that script cannot read, and never in a body', async (t) => {
  const service = await startApp(t, COOKIES)
  const person = await register(service)
  const signedIn = await signInFrom(service, person)
  t.equal(signedIn.status, 200)
  t.notMatch(JSON.stringify(signedIn.body), /ktr_|"refresh"/)
  const first = cookieOf(signedIn)
  t.match(first.value, /^ktr_/)
  t.same(first.attributes, [
    `Max-Age=${signedIn.body['refresh_expires_in']}`,
    'Path=/',
    'Secure',
    'HttpOnly',
    'SameSite=Strict',
  ])

  for (const encoding of ENCODINGS) {
    const refreshed = await post(`${service.url}/refresh`, {}, { encoding, headers: withCookie(first.value) })
    t.equal(refreshed.status, 200)
    t.notMatch(JSON.stringify(refreshed.body), /ktr_|"refresh"/)
    t.equal((await get(`${service.url}/check-auth-status`, text(refreshed, 'access'))).status, 200)
    t.not(cookieOf(refreshed).value, first.value)
  }
  t.match(await post(`${service.url}/refresh`, { refresh: first.value }, { headers: { origin: PAGE } }), {
    status: 400,
    body: { errors: { refresh: [/not known here/] } },
  })
  t.match(await post(`${service.url}/refresh`, {}, { headers: { origin: PAGE } }), {
    status: 401,
    body: { code: 'refresh_invalid' },
  })
})

t.test('a lost answer is given again by the same cookie and Idempotency-Key', async (t) => {
  const service = await startApp(t, { ...COOKIES, REFRESH_GRACE: '0s' })
  const { value } = cookieOf(await signInFrom(service, await register(service)))
  const headers = { origin: PAGE, 'idempotency-key': 'a key of this refresh'.replaceAll(' ', '-') }
  const once = cookieOf(await refreshWith(service, value, headers))
  const again = await refreshWith(service, value, headers)
  t.equal(cookieOf(again).value, once.value)
  t.equal(again.headers.get('keyturn-refresh'), 'lost-answer')
})

t.test('a cookie is obeyed only for pages of an allowed origin', async (t) => {
  const service = await startApp(t, COOKIES)
  const person = await register(service)
  const { value } = cookieOf(await signInFrom(service, person))
  const strangers: Record<string, Headers> = {
    'no Origin': {},
    'another site': { origin: 'https://evil.example' },
    null: { origin: 'null' },
    'null of the own site': { origin: 'null', 'sec-fetch-site': 'same-origin' },
    'a longer name': { origin: `${PAGE}.evil.io` },
    'a neighbour': { origin: 'https://evilapp.example.com' },
    'without TLS': { origin: 'http://app.example.com' },
    'another port': { origin: `${PAGE}:8443` },
    'upper case': { origin: PAGE.toUpperCase() },
    'a path': { origin: `${PAGE}/` },
    'two origins': { origin: `${PAGE}, https://evil.example` },
    'cross-site without Origin': { 'sec-fetch-site': 'cross-site' },
    'the same site without Origin': { 'sec-fetch-site': 'same-site' },
  }
  for (const [who, headers] of Object.entries(strangers)) {
    for (const path of ['/refresh', '/logout']) {
      for (const encoding of ENCODINGS) {
        const answer = await post(service.url + path, {}, { encoding, headers: withCookie(value, headers) })
        t.match(answer, REFUSED, `${path} as ${encoding}: ${who}`)
        t.same(answer.headers.getSetCookie(), [])
        t.equal(answer.headers.get('cache-control'), 'no-store')
      }
    }
  }
  const { rows } = await service.app.database.pool.query('SELECT generation, revoked_at FROM sessions')
  t.same(rows, [{ generation: 0, revoked_at: null }], 'none of it has changed anything')
  for (const origin of [PAGE, OWN]) {
    t.equal((await refreshWith(service, value, { origin })).status, 200, origin)
    const crossSite = { origin, 'sec-fetch-site': 'cross-site' }
    t.equal((await refreshWith(service, value, crossSite)).status, 200, 'an allowed origin on another site')
  }
})

t.test(
  'what another site has a visitor send is refused before anything changes, cookie or not',
  async (t) => {
    const service = await startApp(t, COOKIES)
    const person = await register(service)
    const signedIn = await signInFrom(service, person)
    const access = text(signedIn, 'access')
    const { username, password } = person
    const calls: Record<string, Readonly<Record<string, string>>> = {
      '/token': { username, password },
      '/register': { ...somebody() },
      '/logout': {},
      '/logoutall': {},
      '/change-password': { current_password: password, new_password: 'an entirely new pass phrase' },
      '/change-email': { email: somebody().email, password },
    }
    for (const [path, fields] of Object.entries(calls)) {
      for (const headers of [
        { origin: 'https://evil.example' },
        { 'sec-fetch-site': 'cross-site' },
      ] as Headers[]) {
        for (const encoding of ['urlencoded', 'multipart'] as const) {
          t.match(await post(service.url + path, fields, { encoding, headers }), REFUSED, path)
          const known = { ...headers, ...bearer(access) }
          t.match(await post(service.url + path, fields, { encoding, headers: known }), REFUSED, path)
        }
      }
    }
    const foreign = { origin: 'https://evil.example', ...bearer(access) }
    t.match(await send('DELETE', `${service.url}/user`, { password }, { headers: foreign }), REFUSED)
    t.equal((await get(`${service.url}/user`, access)).status, 200)
    t.equal((await signInFrom(service, person)).status, 200)
    const { rows } = await service.app.database.pool.query('SELECT count(*)::int AS n FROM users')
    t.same(rows, [{ n: 1 }])
  },
)

t.test('programs that are no web pages need no Origin as long as they bring no cookie', async (t) => {
  const service = await startApp(t, COOKIES)
  const person = await register(service)
  const signedIn = await signInFrom(service, person, {})
  t.equal(signedIn.status, 200)
  const access = text(signedIn, 'access')
  t.equal(
    (await send('PATCH', `${service.url}/user`, { city: 'Rom' }, { headers: bearer(access) })).status,
    200,
  )
  t.equal((await post(`${service.url}/logout`, {}, { headers: bearer(access) })).status, 200)
})

t.test('the forms of our own pages need no Origin, which browsers do not send from there', async (t) => {
  const service = await startApp(t, COOKIES)
  const person = await register(service)
  const { value } = cookieOf(await signInFrom(service, person))
  const headers = withCookie(value, { origin: 'null', accept: 'text/html' })
  const asked = await post(
    `${service.url}/request-reset`,
    { email: person.email },
    { encoding: 'urlencoded', headers },
  )
  t.match(asked, { status: 200, body: { text: /Look into your mailbox/ } })
  const token = await resetToken(service, person.email)
  const fields = { token, password: 'an entirely new pass phrase' }
  t.match(await post(`${service.url}/reset`, fields, { encoding: 'urlencoded', headers }), {
    status: 200,
    body: { text: /Your password is changed/ },
  })
})

t.test('two cookies of one name are refused, for one of them is not ours', async (t) => {
  const service = await startApp(t, COOKIES)
  const person = await register(service)
  const { value } = cookieOf(await signInFrom(service, person))
  const { username, password } = person
  const headers = { origin: PAGE, cookie: `${NAME}=evil; ${NAME}=${value}` }
  for (const [path, fields] of Object.entries({
    '/refresh': {},
    '/logout': {},
    '/token': { username, password },
  })) {
    t.match(
      await post(service.url + path, fields, { headers }),
      { status: 400, body: { code: 'bad_request' } },
      path,
    )
  }
  t.equal((await refreshWith(service, value)).status, 200)
})

t.test('a cookie of another name, or of no token, is none', async (t) => {
  const service = await startApp(t, COOKIES)
  const { value } = cookieOf(await signInFrom(service, await register(service)))
  for (const cookie of [
    `keyturn_refresh=${value}`,
    `x${NAME}=${value}`,
    `${NAME.toLowerCase()}=${value}`,
    `${NAME}="${value}"`,
    `${NAME}=`,
    NAME,
    `a=${NAME}=${value}`,
  ]) {
    const answer = await post(`${service.url}/refresh`, {}, { headers: { origin: PAGE, cookie } })
    t.match(answer, { status: 401, body: { code: 'refresh_invalid' } }, cookie.replace(value, '…'))
  }
})

t.test(
  'signing in replaces the cookie, ends the session that it was for, and takes nothing from it',
  async (t) => {
    const service = await startApp(t, COOKIES)
    const [one, other] = [await register(service), await register(service)]
    const former = cookieOf(await signInFrom(service, one)).value
    t.equal(
      (await signInFrom(service, { ...other, password: 'a wrong one' }, withCookie(former))).status,
      401,
    )
    t.equal((await refreshWith(service, former)).status, 200, 'a sign-in that fails changes nothing')

    const signedIn = await signInFrom(service, other, withCookie(former))
    t.match(signedIn, { status: 200, body: { user: { username: other.username } } })
    t.match(await refreshWith(service, former), { status: 401, body: { code: 'session_revoked' } })
    const { value } = cookieOf(signedIn)
    t.match(await refreshWith(service, value), { status: 200, body: { user: { username: other.username } } })
    t.equal((await signInFrom(service, other, withCookie('not ours'))).status, 200)
  },
)

t.test('a registration that signs in sets the cookie too', async (t) => {
  const service = await startApp(t, { ...COOKIES, EMAIL_VERIFICATION: 'off' })
  const registered = await post(`${service.url}/register`, { ...somebody() }, { headers: { origin: PAGE } })
  t.equal(registered.status, 201)
  t.notMatch(JSON.stringify(registered.body), /ktr_|"refresh"/)
  t.equal((await refreshWith(service, cookieOf(registered).value)).status, 200)
})

t.test('signing out ends the session and clears the cookie, whichever way', async (t) => {
  const service = await startApp(t, COOKIES)
  const person = await register(service)
  const ways: Record<string, (access: string, value: string) => Promise<Answer>> = {
    'by cookie': (_, value) => post(`${service.url}/logout`, {}, { headers: withCookie(value) }),
    'by access token': (access) => post(`${service.url}/logout`, {}, { headers: bearer(access) }),
    everywhere: (access) => post(`${service.url}/logoutall`, {}, { headers: bearer(access) }),
    'by ending the session': async (access) => {
      const { body } = await get(`${service.url}/sessions`, access)
      const own = (body['sessions'] as { id: string; current: boolean }[]).find(({ current }) => current)
      return send('DELETE', `${service.url}/sessions/${own?.id}`, {}, { headers: bearer(access) })
    },
    'by deleting the account': (access) =>
      send('DELETE', `${service.url}/user`, { password: person.password }, { headers: bearer(access) }),
  }
  for (const [way, signOut] of Object.entries(ways)) {
    const signedIn = await signInFrom(service, person)
    const { value } = cookieOf(signedIn)
    const out = await signOut(text(signedIn, 'access'), value)
    t.equal(out.status, 200, way)
    const cleared = cookieOf(out)
    t.equal(cleared.value, '', way)
    t.same(cleared.attributes, ['Max-Age=0', 'Path=/', 'Secure', 'HttpOnly', 'SameSite=Strict'])
    t.equal((await refreshWith(service, value)).status, 401, way)
  }
  t.equal((await post(`${service.url}/logout`, {}, { headers: { origin: PAGE } })).status, 401)
})

t.test(
  'a refresh that is refused leaves the cookie alone: another tab may have a new one by now',
  async (t) => {
    const service = await startApp(t, COOKIES)
    const { value } = cookieOf(await signInFrom(service, await register(service)))
    await post(`${service.url}/logout`, {}, { headers: withCookie(value) })
    const refused = await refreshWith(service, value)
    t.equal(refused.status, 401)
    t.same(refused.headers.getSetCookie(), [])
  },
)

t.test('browsers are told that allowed pages may send the cookie, and no others', async (t) => {
  const service = await startApp(t, COOKIES)
  const preflight = (origin: string) =>
    fetch(`${service.url}/refresh`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'x-evil',
      },
    })
  const allowed = await preflight(PAGE)
  t.equal(allowed.status, 204)
  t.match(Object.fromEntries(allowed.headers), {
    'access-control-allow-origin': PAGE,
    'access-control-allow-credentials': 'true',
    'access-control-allow-methods': 'POST',
    'access-control-allow-headers': 'authorization, content-type, idempotency-key',
    vary: /origin/i,
  })
  for (const origin of ['https://evil.example', 'null', `${PAGE}.evil.io`]) {
    for (const answer of [
      await preflight(origin),
      await fetch(`${service.url}/refresh`, { method: 'POST', headers: { origin } }),
    ]) {
      t.equal(answer.headers.get('access-control-allow-origin'), null, origin)
      t.equal(answer.headers.get('access-control-allow-credentials'), null, origin)
      t.match(answer.headers.get('vary'), /origin/i)
    }
  }
  const refused = await post(`${service.url}/refresh`, {}, { headers: { origin: PAGE } })
  t.equal(refused.headers.get('access-control-allow-credentials'), 'true', 'a page can read a refusal too')
})

t.test('without REFRESH_COOKIE no cookie is set or looked at', async (t) => {
  const service = await startApp(t, { CORS_ORIGINS: PAGE })
  const person = await register(service)
  const signedIn = await signInFrom(service, person)
  t.same(signedIn.headers.getSetCookie(), [])
  t.equal(signedIn.headers.get('access-control-allow-credentials'), null)
  t.equal((await refreshWith(service, text(signedIn, 'refresh'))).status, 400)
  const evil = { origin: 'https://evil.example' }
  t.equal(
    (await post(`${service.url}/refresh`, { refresh: text(signedIn, 'refresh') }, { headers: evil })).status,
    200,
  )
})
