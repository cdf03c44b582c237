import type { Test } from 'tap'
import t from 'tap'
import { letters, somebody } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import { bearer, ENCODINGS, get, post, send, text } from '../helpers/client.ts'
import { until } from '../helpers/until.ts'

const PREFIX = '/authentication/api'
const PROFILE = { organizationType: 'NGO', organizationName: 'Rivers', country: 'ZA' }

async function start(t: Test, settings: Record<string, string> = {}) {
  const service = await startApp(t, { DIALECTS: `canonical=/,simplejwt=${PREFIX}`, ...settings })
  return { ...service, base: service.url + PREFIX }
}

/** The path of the link in the newest letter to the address that leads there; awaited, for the outbox comes later. */
async function linkTo(service: TestApp, email: string, path: string): Promise<string> {
  return until(`a link to ${path}`, async () => {
    const links = (await letters(service, email)).flatMap((letter) => letter.links)
    const link = links.find((each) => new URL(each).pathname.startsWith(PREFIX + path))
    return link !== undefined && new URL(link).pathname
  })
}

const open = (url: string, method = 'GET', headers: Record<string, string> = {}) =>
  fetch(url, { method, headers, redirect: 'manual' })

async function signUp(service: TestApp & { base: string }) {
  const { email, password } = somebody()
  const answer = await post(`${service.base}/register/`, {
    email,
    password,
    name: 'Ada',
    surname: 'Lovelace',
    ...PROFILE,
  })
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
  return { email, password, id: Number(answer.body['id']) }
}

async function signedUp(service: TestApp & { base: string }) {
  const person = await signUp(service)
  const link = await linkTo(service, person.email, '/activate/')
  if ((await open(service.url + link)).status !== 302) throw new Error('not activated')
  return person
}

/** Moves all sessions back in time by so many seconds, as if they had been started then. */
async function age({ app }: TestApp, seconds: number): Promise<void> {
  const moved = ['created_at', 'rotated_at', 'expires_at'].map(
    (at) => `${at} = ${at} - make_interval(secs => $1)`,
  )
  await app.database.pool.query(`UPDATE sessions SET ${moved.join(', ')}`, [seconds])
}

const DAY = 24 * 3600

t.test('a simplejwt client registers, activates by the link, signs in, polls and signs out', async (t) => {
  const service = await start(t, { ACTIVATED_URL: 'https://app.example.com/start?lang=en' })
  const { base } = service
  for (const encoding of ENCODINGS) {
    const { email, password } = somebody()
    const registered = await post(
      `${base}/register/`,
      {
        email,
        password,
        confirmPassword: password,
        name: 'Ada',
        surname: 'Lovelace',
        agree: 'yes',
        ...PROFILE,
      },
      { encoding },
    )
    t.equal(registered.status, 201)
    const { id, ...account } = registered.body
    t.same(account, { username: email, email, first_name: 'Ada', last_name: 'Lovelace' })

    const early = await post(`${base}/login/`, { email, password })
    t.equal(early.status, 401)
    t.same(early.body, { error: 'Invalid credentials' })

    const link = await linkTo(service, email, '/activate/')
    t.match(
      link,
      new RegExp(`^${PREFIX}/activate/${Buffer.from(String(id)).toString('base64url')}/[\\w-]{56}/$`),
    )
    t.equal((await open(service.url + link, 'HEAD')).status, 200, 'a scanner uses up nothing')
    const opened = await open(service.url + link)
    t.equal(opened.status, 302)
    t.equal(opened.headers.get('location'), 'https://app.example.com/start?lang=en&activation_complete=true')
    t.equal((await open(service.url + link)).status, 400, 'once')
    t.match(
      await (await open(service.url + link, 'GET', { accept: 'text/html' })).text(),
      /does not work any more/,
    )

    const login = await post(
      `${base}/login/?app=mobile`,
      { email, password, usernameForEmailRetrieval: '' },
      { encoding },
    )
    t.equal(login.status, 200)
    const { access_token: access, refresh_token: refresh, ...who } = login.body
    t.same(who, {
      username: email,
      email,
      is_authenticated: true,
      user_id: id,
      is_admin: false,
      is_profile_updated: true,
      is_agreed_to_privacy_policy: false,
      accepted_privacy_policy_version: null,
    })
    t.match(refresh, /^ktr_/)

    const status = await get(`${base}/check-auth-status/`, String(access))
    t.equal(status.status, 200)
    t.match(status.body, { ...who, refresh_token: null })
    const fresh = text(status, 'access_token')
    t.not(fresh, access)

    const out = await send('POST', `${base}/logout/`, {}, { headers: bearer(fresh) })
    t.same([out.status, out.body], [200, { message: 'Logout successful' }])
    for (const token of [fresh, String(access)]) {
      const after = await get(`${base}/check-auth-status/`, token)
      t.same([after.status, after.body], [401, { detail: 'Authentication credentials were not provided.' }])
    }
    const dead = await post(`${base}/token/refresh/`, { refresh: String(refresh) })
    t.same(
      [dead.status, dead.body],
      [401, { detail: 'Token is invalid or expired', code: 'token_not_valid' }],
      'it really ends',
    )
  }
})

t.test(
  'a registration without the three profile fields makes nothing, and a bad address is told first',
  async (t) => {
    const { base, app } = await start(t)
    const { email, password } = somebody()
    const { country, ...some } = PROFILE
    const missing = await post(`${base}/register/`, { email, password, ...some })
    t.equal(missing.status, 400)
    t.same(missing.body, {
      error:
        'Missing required fields for User Profile creation. country ,organisation name, organisation type',
    })
    const bad = await post(`${base}/register/`, { email: 'nobody', password, country })
    t.same([bad.status, bad.body['email']], [400, ['Enter a valid email address.']])
    t.same((await app.database.pool.query('SELECT id FROM users')).rows, [])
  },
)

t.test('of the fields that are posted along all are kept but passwords and what is ours', async (t) => {
  const service = await start(t, { EMAIL_VERIFICATION: 'optional' })
  const { email, password } = somebody()
  const extra = {
    confirmPassword: password,
    user_password: password,
    passwordAgain: password,
    is_admin: true,
    roles: ['admin'],
    agree: true,
    age: 36,
  }
  const registered = await send('POST', `${service.base}/register/`, {
    email,
    password,
    ...PROFILE,
    ...extra,
  })
  t.equal(registered.status, 201)
  const { rows } = await service.app.database.pool.query('SELECT profile, roles FROM users')
  t.same(rows, [
    {
      profile: { organisation_type: 'NGO', organisation_name: 'Rivers', country: 'ZA', agree: true, age: 36 },
      roles: [],
    },
  ])
  const { rows: all } = await service.app.database.pool.query('SELECT users::text AS row FROM users')
  t.notOk(String(all[0].row).includes(password))
  const login = await post(`${service.base}/login/`, { email, password })
  t.equal(login.body['is_agreed_to_privacy_policy'], true)
})

t.test(
  'nobody can hold an address as a user name: its owner registers all the same, and signs in',
  async (t) => {
    const service = await start(t)
    const { email } = somebody()
    const squatter = { email, password: 'the squatter was first', ...PROFILE }
    const owner = { email, password: 'the owner came later', ...PROFILE }
    for (const person of [squatter, owner]) {
      t.equal((await post(`${service.base}/register/`, person)).status, 201)
    }
    const { rows } = await service.app.database.pool.query('SELECT max(id)::integer AS id FROM users')
    const uid = Buffer.from(String(rows[0].id)).toString('base64url')
    const link = await linkTo(service, email, `/activate/${uid}/`)
    t.equal((await open(service.url + link)).status, 302)
    for (const path of ['/login/', '/token/']) {
      const name = path === '/login/' ? 'email' : 'username'
      t.equal((await post(service.base + path, { [name]: email, password: owner.password })).status, 200)
      t.equal((await post(service.base + path, { [name]: email, password: squatter.password })).status, 401)
    }
  },
)

for (const [app, days] of [
  ['', 30],
  ['?app=mobile', 90],
] as const) {
  t.test(
    `a client that never stores a new refresh token stays signed in for its whole ${days} days`,
    async (t) => {
      const service = await start(t)
      const { email, password } = await signedUp(service)
      const login = await post(`${service.base}/login/${app}`, { email, password })
      const refresh = text(login, 'refresh_token')
      for (let day = 1; day < days; day += 1) {
        await age(service, DAY)
        const answer = await post(`${service.base}/refresh/`, { refresh })
        t.equal(answer.status, 200, `day ${day}`)
        t.same(Object.keys(answer.body), ['access', 'access_token'])
        t.equal(answer.body['access'], answer.body['access_token'])
        t.equal(answer.headers.get('keyturn-refresh'), 'kept')
      }
      await age(service, DAY)
      t.equal((await post(`${service.base}/refresh/`, { refresh })).status, 401, 'and no longer')
    },
  )
}

t.test('with SIMPLEJWT_ROTATE=true a client that stores each new refresh token rotates', async (t) => {
  const service = await start(t, { SIMPLEJWT_ROTATE: 'true' })
  const { email, password } = await signedUp(service)
  const pair = await post(`${service.base}/token/`, { username: email, password })
  const first = text(pair, 'refresh')
  let refresh = first
  for (let count = 0; count < 4; count += 1) {
    await age(service, DAY)
    const answer = await post(`${service.base}/token/refresh/`, { refresh })
    t.equal(answer.headers.get('keyturn-refresh'), 'rotated')
    t.equal(answer.body['refresh'], answer.body['refresh_token'])
    t.not(answer.body['refresh'], refresh)
    refresh = text(answer, 'refresh')
    t.equal((await get(`${service.base}/check-auth-status/`, text(answer, 'access'))).status, 200)
  }
  await age(service, DAY)
  t.equal(
    (await post(`${service.base}/token/refresh/`, { refresh: first })).status,
    401,
    'a copy is found out',
  )
  t.equal((await post(`${service.base}/token/refresh/`, { refresh })).status, 401)
})

t.test('a status check gives the refresh token only with SIMPLEJWT_STATUS_REFRESH=true', async (t) => {
  const service = await start(t, { SIMPLEJWT_STATUS_REFRESH: 'true' })
  const { email, password } = await signedUp(service)
  const login = await post(`${service.base}/login/`, { email, password })
  const status = await get(`${service.base}/check-auth-status/`, text(login, 'access_token'))
  t.equal(status.body['refresh_token'], login.body['refresh_token'])
})

t.test('a status check is one statement, and gives nothing once the session has expired', async (t) => {
  const service = await start(t)
  const { email, password } = await signedUp(service)
  const access = text(await post(`${service.base}/login/`, { email, password }), 'access_token')
  let statements = 0
  const { pool } = service.app.database
  const query = pool.query
  t.teardown(() => Object.assign(pool, { query }))
  Object.assign(pool, {
    query: (...asked: unknown[]) => {
      if (JSON.stringify(asked).includes('find_sessions')) statements += 1
      return Reflect.apply(query, pool, asked)
    },
  })
  t.equal((await get(`${service.base}/check-auth-status/`, access)).status, 200)
  t.equal(statements, 1)
  await age(service, 30 * DAY)
  t.equal((await get(`${service.base}/check-auth-status/`, access)).status, 401)
})

t.test(
  'a forgotten password: the letter leads through the link to the page, and the link works once',
  async (t) => {
    const service = await start(t, { RESET_URL: 'https://app.example.com/reset' })
    const { base } = service
    const { email, password } = await signedUp(service)
    const login = await post(`${base}/login/`, { email, password })
    for (const asked of [email, somebody().email]) {
      const answer = await post(`${base}/request-reset`, { email: asked })
      t.same([answer.status, answer.body], [200, { message: 'Password reset email sent' }])
    }
    const link = await linkTo(service, email, '/verify-password-reset/')
    const [uid = '', token = ''] = link.split('/').slice(-3)
    const opened = await open(service.url + link)
    t.equal(opened.status, 302)
    t.equal(opened.headers.get('location'), `https://app.example.com/reset?uid=${uid}&token=${token}`)

    const other = Buffer.from('999').toString('base64url')
    for (const path of [`${other}/${token}`, `${uid}/${'A'.repeat(56)}`, `${uid}/x`]) {
      const refused = await get(`${base}/verify-password-reset/${path}/`)
      t.same([refused.status, refused.body], [401, { error: 'Unauthorized' }])
    }
    const path = `${base}/update-password-reset/${uid}/${token}/`
    const short = await post(path, { newPassword: 'short' })
    t.equal(short.status, 400)
    t.match(short.body, { newPassword: [/too short/] })
    const done = await post(path, { newPassword: 'another cup of stars' })
    t.same([done.status, done.body], [200, { message: 'Password updated successfully' }])
    const again = await post(path, { newPassword: 'a third cup of stars' })
    t.same([again.status, again.body], [401, { error: 'Unauthorized' }])
    t.equal((await post(`${base}/login/`, { email, password })).status, 401)
    t.equal((await post(`${base}/login/`, { email, password: 'another cup of stars' })).status, 200)
    const refresh = text(login, 'refresh_token')
    t.equal((await post(`${base}/refresh/`, { refresh })).status, 401, 'every session has ended')
  },
)

t.test('the own profile is read and changed, and the password with the old one', async (t) => {
  const service = await start(t)
  const { base } = service
  const { email, password, id } = await signedUp(service)
  const access = text(await post(`${base}/login/`, { email, password }), 'access_token')
  const headers = bearer(access)
  const profile = {
    user_id: id,
    username: email,
    email,
    name: 'Ada',
    surname: 'Lovelace',
    organisation_type: 'NGO',
    organisation_name: 'Rivers',
    country: 'ZA',
  }
  t.same((await get(`${base}/user/update/`, access)).body, profile)
  const changed = await post(
    `${base}/user/update/`,
    { ...profile, user_id: '1', name: 'Augusta', country: 'LS' },
    { headers },
  )
  t.same([changed.status, changed.body], [200, { ...profile, name: 'Augusta', country: 'LS' }])

  const path = `${base}/user/password/update/`
  const fresh = 'another cup of stars'
  const wrong = { old_password: 'wrong', password: fresh, confirm_password: fresh }
  const refused = await post(path, wrong, { headers })
  t.same([refused.status, refused.body], [400, { old_password: ['Wrong old password'] }])
  const differs = await post(
    path,
    { ...wrong, old_password: password, confirm_password: 'other' },
    { headers },
  )
  t.same([differs.status, differs.body], [400, { password: ["Password fields didn't match."] }])
  const done = await post(path, { ...wrong, old_password: password }, { headers })
  t.same([done.status, done.body], [200, { status: 'OK' }])
  t.equal((await post(`${base}/login/`, { email, password: fresh })).status, 200)
})

t.test('who has an account is told only with SIMPLEJWT_REVEAL_ACCOUNTS=true', async (t) => {
  const paths = (email: string) => [
    `/retrieve-email-by-username/${email}/`,
    `/check-registration-status/${email}/`,
  ]
  const quiet = await start(t)
  const { email } = await signUp(quiet)
  for (const path of paths(email)) t.equal((await get(quiet.base + path)).status, 404)

  const open = await start(t, { SIMPLEJWT_REVEAL_ACCOUNTS: 'true' })
  const waiting = await signUp(open)
  await post(`${open.url}/register`, {
    username: 'ada',
    email: 'ada@example.org',
    password: 'a cup of stars',
  })
  t.same((await get(`${open.base}/retrieve-email-by-username/ada/`)).body, { email: 'ada@example.org' })
  t.same((await get(`${open.base}/check-registration-status/${waiting.email}/`)).body, {
    email: waiting.email,
    is_registration_completed: false,
  })
  const nobody = await get(`${open.base}/check-registration-status/nobody@example.org/`)
  t.same([nobody.status, nobody.body], [404, { error: 'User not found.' }])
})

t.test(
  'with SIMPLEJWT_ACTIVATE_BY_GET=false opening the link shows a button, and the button activates',
  async (t) => {
    const service = await start(t, {
      SIMPLEJWT_ACTIVATE_BY_GET: 'false',
      ACTIVATED_URL: 'https://app.example.com/',
    })
    const { email, password } = await signUp(service)
    const link = await linkTo(service, email, '/activate/')
    for (let count = 0; count < 2; count += 1) {
      const page = await open(service.url + link)
      t.equal(page.status, 200)
      t.match(page.headers.get('content-security-policy'), /form-action 'self' https:\/\/app\.example\.com/)
      t.match(await page.text(), /Confirm my address/)
    }
    const pressed = await open(service.url + link, 'POST')
    t.equal(pressed.status, 303)
    t.equal(pressed.headers.get('location'), 'https://app.example.com/?activation_complete=true')
    t.equal((await post(`${service.base}/login/`, { email, password })).status, 200)
  },
)
