import t from 'tap'
import { letterToken, somebody } from '../helpers/accounts.ts'
import { startApp } from '../helpers/app.ts'
import { bearer, get, post, send, text } from '../helpers/client.ts'

t.test(
  'the activation flow of an Android client, on a canonical dialect mounted where it expects it',
  async (t) => {
    const service = await startApp(t, { DIALECTS: 'canonical=/api/auth' })
    const base = `${service.url}/api/auth`
    const { username, email, password } = somebody()
    t.equal((await post(`${base}/register/`, { username, email, password })).status, 201)
    const early = await post(`${base}/token/`, { username, password })
    t.equal(early.status, 403, 'before the link')

    const token = await letterToken(service, email, '/verify-email')
    t.equal((await get(`${base}/verify-email/?token=${token}`)).status, 200, 'the link opens a page')
    t.equal((await post(`${base}/verify-email/`, { token })).status, 200, 'its button activates')
    const login = await post(`${base}/token/`, { username, password })
    t.equal(login.status, 200)
    const access = text(login, 'access')
    for (let start = 0; start < 3; start += 1)
      t.equal(
        (await get(`${base}/check-auth-status/`, access)).status,
        200,
        'good at a later start of the app',
      )

    const headers = bearer(access)
    const change = (current_password: string, new_password: string) =>
      post(`${base}/change-password/`, { current_password, new_password }, { headers })
    t.equal((await change('wrong', 'another cup of stars')).status, 403)
    t.equal((await change(password, 'short')).status, 400)
    t.equal((await change(password, 'another cup of stars')).status, 200)

    await post(`${base}/request-reset/`, { email })
    const reset = await letterToken(service, email, '/reset')
    t.equal((await post(`${base}/reset/`, { token: `x${reset.slice(1)}`, password: 'x' })).status, 400)
    t.equal((await post(`${base}/reset/`, { token: reset, password: 'a third cup of stars' })).status, 200)
    t.equal((await post(`${base}/reset/`, { token: reset, password: 'a fourth cup' })).status, 400, 'once')
    t.equal((await get(`${base}/check-auth-status/`, access)).status, 401)
    const again = text(await post(`${base}/token/`, { username, password: 'a third cup of stars' }), 'access')
    t.equal((await send('POST', `${base}/logout/`, {}, { headers: bearer(again) })).status, 200)
    t.equal((await get(`${base}/check-auth-status/`, again)).status, 401)
  },
)
