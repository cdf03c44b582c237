import t from 'tap'
import { somebody } from '../helpers/accounts.ts'
import { ENCODINGS, post, send, text } from '../helpers/client.ts'
import { startAll, tokenHeader } from './helpers.ts'

t.test('an authtoken client registers, signs in on two devices and signs out on one', async (t) => {
  const service = await startAll(t)
  const base = `${service.url}/api/auth`
  for (const encoding of ENCODINGS) {
    const person = { ...somebody(), first_name: 'Ada', last_name: 'Lovelace' }
    const registered = await post(`${base}/register/`, person, { encoding })
    t.equal(registered.status, 201)
    const { id, token, ...rest } = registered.body
    t.type(id, 'number')
    t.same(rest, {
      username: person.username,
      email: person.email,
      first_name: 'Ada',
      last_name: 'Lovelace',
    })

    const { username, password } = person
    const login = await post(`${base}/login`, { username, password }, { encoding })
    t.equal(login.status, 200)
    t.same(login.body['user'], { id, username, email: person.email })

    const out = await send('POST', `${base}/logout`, {}, { encoding, headers: tokenHeader(String(token)) })
    t.equal(out.status, 200)
    const again = await send('POST', `${base}/logout`, {}, { headers: tokenHeader(String(token)) })
    t.equal(again.status, 401)
    t.same(again.body, { detail: 'Invalid token.' })
    t.equal(again.headers.get('www-authenticate'), 'Token')
    const other = tokenHeader(text(login, 'token'))
    t.equal((await send('POST', `${base}/logout`, {}, { headers: other })).status, 200, 'the other device')
  }
})
