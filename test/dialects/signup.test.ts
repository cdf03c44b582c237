import t from 'tap'
import { letterToken, somebody } from '../helpers/accounts.ts'
import { ENCODINGS, get, post, send, text } from '../helpers/client.ts'
import { startAll, tokenHeader } from './helpers.ts'

t.test(
  'a form client signs up, is told everything at once, signs in and out, always with three keys',
  async (t) => {
    const service = await startAll(t)
    const base = `${service.url}/auth`
    for (const encoding of ENCODINGS) {
      const { username, email, password } = somebody()
      const form = { username, email, password1: password, password2: password, accept_tos: 'true' }
      const done = await post(`${base}/signup`, form, { encoding })
      t.equal(done.status, 200)
      const { token, ...rest } = done.body
      t.same(rest, { errors: {}, success: true })
      t.type(token, 'string')

      const wrong = await post(
        `${base}/signup`,
        { username, email: '', password1: 'short', password2: 'other' },
        { encoding },
      )
      t.equal(wrong.status, 200)
      t.match(wrong.body, {
        success: false,
        token: null,
        errors: {
          username: ['A user with that username already exists.'],
          email: ['This field is required.'],
          password1: [/too short/],
          password2: ["The two password fields didn't match."],
          accept_tos: ['This field is required.'],
        },
      })
      const bad = await post(`${base}/login`, { username, password: 'wrong' }, { encoding })
      t.equal(bad.status, 200)
      t.match(bad.body, {
        success: false,
        token: null,
        errors: { __all__: [/correct username and password/] },
      })

      const login = await post(`${base}/login`, { username, password }, { encoding })
      t.match(login.body, { success: true, errors: {} })
      const out = await send('POST', `${base}/logout`, {}, { headers: tokenHeader(text(login, 'token')) })
      t.same([out.status, out.body], [200, { success: true }])
      const again = await send('POST', `${base}/logout`, {}, { headers: tokenHeader(text(login, 'token')) })
      t.equal(again.status, 401)
      t.equal(
        (await get(`${service.url}/check-auth-status`, String(token))).status,
        200,
        'the other one lives',
      )
    }
  },
)

t.test('who signs up is active at once, and not verified until the link of the letter is used', async (t) => {
  const service = await startAll(t)
  const { username, email, password } = somebody()
  const form = { username, email, password1: password, password2: password, accept_tos: 'true' }
  const token = text(await post(`${service.url}/auth/signup`, form), 'token')
  t.match((await get(`${service.url}/user`, token)).body, { is_active: true, email_verified: false })
  const link = await letterToken(service, email, '/verify-email')
  t.equal((await post(`${service.url}/verify-email`, { token: link })).status, 200)
  t.match((await get(`${service.url}/user`, token)).body, { is_active: true, email_verified: true })
})

t.test('closed registration is one more answer of the form', async (t) => {
  const { url } = await startAll(t, { REGISTRATION: 'closed' })
  const answer = await post(`${url}/auth/signup`, { username: 'ada' })
  t.equal(answer.status, 200)
  t.match(answer.body, { success: false, token: null, errors: { __all__: ['Registration is closed.'] } })
})
