import t from 'tap'
import { letterToken, somebody } from '../helpers/accounts.ts'
import { ENCODINGS, post, send, text } from '../helpers/client.ts'
import { startAll, tokenHeader } from './helpers.ts'

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/

t.test('a knox dashboard registers without an address, signs in, and ends one session or all', async (t) => {
  const service = await startAll(t, { KNOX_TTL: '10h' })
  const base = `${service.url}/knox`
  const ask = (method: string, path: string, token: string, fields = {}) =>
    send(method, base + path, fields, { headers: tokenHeader(token) })
  for (const encoding of ENCODINGS) {
    const { username, password } = somebody()
    const person = { username, password, first_name: 'Ada', last_name: 'Lovelace' }
    const registered = await post(`${base}/register`, person, { encoding })
    t.equal(registered.status, 201)
    t.same(Object.keys(registered.body).sort(), ['expiry', 'token'])
    t.match(registered.body['expiry'], MOMENT)
    const hours = (Date.parse(text(registered, 'expiry')) - Date.now()) / 3_600_000
    t.ok(hours > 9.99 && hours <= 10.01, 'ten hours')
    const stranger = { ...person, password: 'not-what-ada-chose' }
    const taken = await post(`${base}/register`, stranger, { encoding })
    t.same([taken.status, taken.body], [400, { username: ['A user with that username already exists.'] }])

    const token = text(registered, 'token')
    const user = (await fetch(`${base}/user`, { headers: tokenHeader(token) })).json()
    const { date_joined, last_login, ...names } = (await user) as Record<string, string>
    t.same(names, { username, first_name: 'Ada', last_name: 'Lovelace' })
    t.match(date_joined, MOMENT)
    t.match(last_login, MOMENT)

    const devices = [token]
    for (let count = 0; count < 3; count += 1)
      devices.push(text(await post(`${base}/login`, { username, password }, { encoding }), 'token'))
    t.equal((await ask('POST', '/logout', devices[0] ?? '')).status, 200)
    t.equal((await ask('PUT', '/user', devices[0] ?? '')).status, 401, 'signed out')
    t.equal((await ask('PUT', '/user', devices[1] ?? '', { first_name: 'Augusta' })).status, 200)
    t.equal((await ask('POST', '/logoutall', devices[1] ?? '')).status, 200)
    for (const device of devices) t.equal((await ask('PUT', '/user', device)).status, 401)
  }
})

t.test('PUT changes any of the fields; a new password ends the other sessions', async (t) => {
  const service = await startAll(t)
  const base = `${service.url}/knox`
  const { username, password, email } = somebody()
  const token = text(await post(`${base}/register`, { username, password }), 'token')
  const other = text(await post(`${base}/login`, { username, password }), 'token')
  const put = (fields: object) => send('PUT', `${base}/user`, { ...fields }, { headers: tokenHeader(token) })

  const renamed = await put({ username: `${username}x`, first_name: 'Ada', last_name: 'Lovelace' })
  t.match(renamed.body, { username: `${username}x`, first_name: 'Ada', last_name: 'Lovelace' })
  t.same((await put({ password: 'short' })).status, 400)
  t.match((await put({ email: 'nobody' })).body, { email: ['Enter a valid email address.'] })
  t.equal((await put({ password: 'another cup of stars', email })).status, 200)
  t.equal((await put({})).status, 200, 'this session goes on')
  const ended = await send('PUT', `${base}/user`, {}, { headers: tokenHeader(other) })
  t.equal(ended.status, 401, 'the other one has ended')
  t.equal((await post(`${base}/login`, { username: `${username}x`, password })).status, 400)

  const login = { email, password: 'another cup of stars' }
  t.equal((await post(`${service.url}/token`, login)).status, 401, 'an address waits for its link')
  await post(`${service.url}/confirm-email`, { token: await letterToken(service, email, '/confirm-email') })
  t.equal((await post(`${service.url}/token`, login)).status, 200)
})

t.test('widgets come back as they were saved, to the byte, and empty before that', async (t) => {
  const service = await startAll(t)
  const url = `${service.url}/knox/user/widgets`
  const { username, password } = somebody()
  const token = text(await post(`${service.url}/knox/register`, { username, password }), 'token')
  const headers = { ...tokenHeader(token), 'content-type': 'application/json' }
  t.equal(await (await fetch(url, { headers })).text(), '{}')
  for (const document of ['{"b":1.50,"a":[1e2, "é"],"0":null}', '[ 1, 2 ]', '"text"', '1.0', 'null']) {
    t.equal((await fetch(url, { method: 'POST', headers, body: document })).status, 201)
    t.equal(await (await fetch(url, { headers })).text(), document)
  }
  const deep = '['.repeat(33) + ']'.repeat(33)
  for (const [document, status] of [
    [deep, 400],
    [JSON.stringify('x'.repeat(65_536)), 413],
    ['{', 400],
  ] as const) {
    t.equal((await fetch(url, { method: 'POST', headers, body: document })).status, status)
  }
})
