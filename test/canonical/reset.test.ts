import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { makeResetToken } from '../../src/core/reset-password.ts'
import { createServerKeys } from '../../src/core/server-keys.ts'
import type { Person } from '../helpers/accounts.ts'
import {
  letterAbout,
  letters,
  letterToken,
  register,
  requestsAdmitted,
  resetToken,
  signedIn,
  signIn,
  somebody,
  verificationToken,
} from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import { bearer, ENCODINGS, get, post, untilAnswered, untilRefused } from '../helpers/client.ts'

const LINK_INVALID = { status: 400, body: { code: 'link_invalid' } }
const FRESH = 'an entirely new pass phrase'

function reset(service: TestApp, token: string, password = FRESH) {
  return post(`${service.url}/reset`, { token, password })
}

function trySignIn(service: TestApp, { username }: Person, password: string) {
  return post(`${service.url}/token`, { username, password })
}

t.test(
  'the link of a letter sets a new password once, in each encoding, and ends every session',
  async (t) => {
    const service = await startApp(t)
    const replica = await startApp(t, {}, { beside: service })
    for (const encoding of ENCODINGS) {
      const person = await signedIn(service)
      const elsewhere = await signIn(service, person)
      const asked = await post(`${service.url}/request-reset`, { email: person.email }, { encoding })
      t.match(asked, { status: 200, body: { success: true } })
      const token = await letterToken(service, person.email, '/reset')

      const done = await post(`${service.url}/reset`, { token, password: FRESH }, { encoding })
      t.match(done, { status: 200, body: { success: true } })
      t.match(await post(`${service.url}/reset`, { token, password: FRESH }, { encoding }), LINK_INVALID)

      t.equal((await trySignIn(service, person, person.password)).status, 401, 'the old password is void')
      t.equal((await trySignIn(service, person, FRESH)).status, 200)
      for (const { access, refresh } of [person, elsewhere]) {
        t.match(await post(`${service.url}/refresh`, { refresh }), {
          status: 401,
          body: { code: 'session_revoked' },
        })
        t.equal((await get(`${service.url}/user`, access)).status, 401)
        await untilRefused(replica, access)
      }
      const notice = await letterAbout(service, person.email, /password was changed/i)
      t.notOk(notice.text.includes(FRESH), 'and the owner is told')
    }
  },
)

t.test('a scanner that opens the link three times and asks for its head once uses up nothing', async (t) => {
  const service = await startApp(t)
  const person = await register(service)
  const token = await resetToken(service, person.email)
  const waiting = somebody()
  await post(`${service.url}/register`, { ...waiting })
  const verify = await verificationToken(service, waiting.email)
  for (const method of ['GET', 'GET', 'HEAD', 'GET']) {
    for (const path of [`/reset?token=${token}`, `/verify-email?token=${verify}`]) {
      const page = await fetch(service.url + path, { method })
      t.equal(page.status, 200)
      await page.text()
    }
  }
  t.equal((await trySignIn(service, waiting, waiting.password)).status, 403, 'nothing is confirmed by it')
  t.equal((await reset(service, token)).status, 200)
  t.equal((await post(`${service.url}/verify-email`, { token: verify })).status, 200)
})

t.test('of twenty that use one link at once, at two replicas, exactly one succeeds', async (t) => {
  const service = await startApp(t)
  const replica = await startApp(t, {}, { beside: service })
  const person = await register(service)
  const token = await resetToken(service, person.email)
  const passwords = Array.from({ length: 20 }, (_, index) => `pass phrase of number ${index}`)
  const answers = await Promise.all(
    passwords.map((password, index) => reset(index % 2 === 0 ? service : replica, token, password)),
  )
  t.same(answers.map(({ status }) => status).sort(), [200, ...Array(19).fill(400)])
  const winner = passwords[answers.findIndex(({ status }) => status === 200)] ?? ''
  t.equal((await trySignIn(service, person, winner)).status, 200)
  const { rows } = await service.app.database.pool.query(
    `SELECT (SELECT count(*) FROM events WHERE kind = 'password_reset')::int AS events,
            (SELECT count(*) FROM outbox WHERE kind = 'password_changed')::int AS letters`,
  )
  t.same(rows, [{ events: 1, letters: 1 }])
})

t.test('several links are good until one is used', async (t) => {
  const service = await startApp(t)
  const person = await register(service)
  const first = await resetToken(service, person.email)
  const second = await resetToken(service, person.email, 2)
  t.equal((await reset(service, first)).status, 200, 'the first is good although there is a second')
  t.match(await reset(service, second), LINK_INVALID)
})

t.test('a link is void once the password, the address or the account has changed', async (t) => {
  const service = await startApp(t)
  const { pool } = service.app.database
  const changes: Record<string, (person: Person & { access: string }) => Promise<unknown>> = {
    'the password is changed': ({ access, password }) =>
      post(
        `${service.url}/change-password`,
        { current_password: password, new_password: 'yet another pass phrase' },
        { headers: bearer(access) },
      ),
    'the address is changed': async ({ access, password }) => {
      const { email } = somebody()
      await post(`${service.url}/change-email`, { email, password }, { headers: bearer(access) })
      await post(`${service.url}/confirm-email`, {
        token: await letterToken(service, email, '/confirm-email'),
      })
    },
    'the account is disabled': ({ username }) =>
      pool.query('UPDATE users SET disabled_at = now() WHERE username = $1', [username]),
    'the account is deleted': ({ access, password }) =>
      fetch(`${service.url}/user`, {
        method: 'DELETE',
        headers: bearer(access),
        body: new URLSearchParams({ password }),
      }),
  }
  for (const [what, change] of Object.entries(changes)) {
    const person = await signedIn(service)
    const token = await resetToken(service, person.email)
    await change(person)
    t.match(await reset(service, token), LINK_INVALID, what)
    t.equal(
      (await fetch(`${service.url}/reset?token=${token}`)).status,
      400,
      `${what}: the page says so at once`,
    )
  }
})

t.test('a token is good for what it was made for and for nothing else', async (t) => {
  const service = await startApp(t)
  const person = await signedIn(service)
  const waiting = somebody()
  await post(`${service.url}/register`, { ...waiting })
  const verify = await verificationToken(service, waiting.email)
  const token = await resetToken(service, person.email)

  for (const foreign of [verify, person.access, person.refresh, `${token}A`, token.slice(0, -1), 'x']) {
    t.match(await reset(service, foreign), LINK_INVALID)
  }
  for (const path of ['/verify-email', '/confirm-email', '/undo-email']) {
    t.match(await post(service.url + path, { token }), LINK_INVALID, path)
  }
  t.match(await get(`${service.url}/check-auth-status`, token), { status: 401 })
  t.match(await post(`${service.url}/refresh`, { refresh: token }), {
    status: 401,
    body: { code: 'refresh_invalid' },
  })
  t.equal((await reset(service, token)).status, 200, 'none of it has used the link up')
  t.equal((await post(`${service.url}/verify-email`, { token: verify })).status, 200)
})

t.test('a link is good for an hour by the clock of the database, whatever the replicas think', async (t) => {
  const world = (ahead: number) => ({ now: () => Date.now() + ahead, random: Math.random })
  const early = await startApp(t, {}, { world: world(90_000) })
  const late = await startApp(t, {}, { beside: early, world: world(-90_000) })
  const keys = createServerKeys(early.config.serverSecrets)
  const issued = async (email: string, secondsAgo: number) => {
    const { rows } = await early.app.database.pool.query('SELECT id FROM users WHERE email = $1', [email])
    const found = await early.app.store.changes.find(Number(rows[0].id))
    if (found === undefined) throw new Error('the account is missing')
    return makeResetToken(keys, found, found.now - secondsAgo * 1000)
  }
  const { email } = await register(early)
  t.match(
    await reset(late, await issued(email, 3600)),
    LINK_INVALID,
    'too late for a replica that lags behind',
  )
  t.equal((await reset(early, await issued(email, 3540))).status, 200, 'in time for one that is ahead')
})

t.test('a password that is refused leaves the link as good as it was', async (t) => {
  const service = await startApp(t)
  const person = await register(service)
  const token = await resetToken(service, person.email)
  for (const password of ['', 'short', 'x'.repeat(1025)]) {
    t.match(await reset(service, token, password), {
      status: 400,
      body: { code: 'validation_failed', errors: { password: [/\w/] } },
    })
  }
  t.equal((await reset(service, token)).status, 200)
})

t.test('links begin with the configured address, whatever a request says about the host', async (t) => {
  const service = await startApp(t, { TRUST_PROXY: '127.0.0.0/8', PUBLIC_URL: 'https://auth.example.com' })
  const { port, hostname } = new URL(service.url)
  const heads: Record<string, string[]> = {
    'another Host': ['POST /request-reset HTTP/1.1', 'Host: evil.example'],
    'forwarding headers': [
      'POST /request-reset HTTP/1.1',
      'Host: a',
      'X-Forwarded-Host: evil.example',
      'X-Forwarded-Proto: http',
      'Forwarded: host=evil.example;proto=http',
      'X-Original-URL: http://evil.example/',
    ],
    'an absolute URI': ['POST http://evil.example/request-reset HTTP/1.1', 'Host: evil.example'],
    'two Host lines': ['POST /request-reset HTTP/1.1', 'Host: auth.example.com', 'Host: evil.example'],
    'a Host with a user': ['POST /request-reset HTTP/1.1', 'Host: auth.example.com:80@evil.example'],
    'a Host with a fragment': ['POST /request-reset HTTP/1.1', 'Host: auth.example.com#evil.example'],
  }
  for (const [what, head] of Object.entries(heads)) {
    const { email } = await register(service)
    const body = new URLSearchParams({ email }).toString()
    const socket = connect(Number(port), hostname)
    socket.write(
      [
        ...head,
        'Content-Type: application/x-www-form-urlencoded',
        `Content-Length: ${body.length}`,
        'Connection: close',
        '',
        body,
      ].join('\r\n'),
    )
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk)
    const status = / (\d+) /.exec(Buffer.concat(chunks).toString())?.[1]
    if (status === '200') {
      await letterToken(service, email, '/reset')
      for (const letter of await letters(service, email)) {
        t.notMatch(letter.text, /evil/, what)
        for (const link of letter.links) t.match(link, /^https:\/\/auth\.example\.com\//, what)
      }
    } else t.match(status, /^4/, `${what} is answered ${status}`)
    if (!socket.closed) await once(socket, 'close')
  }
})

t.test('RESET_URL leads to a page of yours, with the query that it brings', async (t) => {
  const service = await startApp(t, { RESET_URL: 'https://app.example.com/welcome/reset?lang=en' })
  const { email } = await register(service)
  const token = await resetToken(service, email)
  const [letter] = await letters(service, email)
  t.match(letter?.links, [`https://app.example.com/welcome/reset?lang=en&token=${token}`])
  t.equal((await reset(service, token)).status, 200)
})

t.test('a letter goes to the stored address, and to no other that a request could name', async (t) => {
  const service = await startApp(t)
  const name = somebody().username
  const person = await register(service, { ...somebody(), email: `${name}.mike@example.org` })
  const sent = async () => {
    await requestsAdmitted(service)
    const { rows } = await service.app.database.pool.query(
      `SELECT address FROM outbox WHERE kind = 'reset' ORDER BY id`,
    )
    return rows.map(({ address }) => address)
  }
  const json = async (body: string) => {
    const init = { method: 'POST', body, headers: { 'content-type': 'application/json' } }
    return (await fetch(`${service.url}/request-reset`, init)).status
  }

  t.equal(await json(JSON.stringify({ email: [person.email, 'evil@example.net'] })), 400)
  t.equal(await json(`{"email":"${person.email}","email":"evil@example.net"}`), 400)
  const twice = `email=${encodeURIComponent(person.email)}&email=evil%40example.net`
  const form = {
    method: 'POST',
    body: twice,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  }
  t.equal((await fetch(`${service.url}/request-reset`, form)).status, 400)
  for (const email of [
    `${person.email},evil@example.net`,
    `${person.email};evil@example.net`,
    `${person.email} evil@example.net`,
    `${person.email}\r\nBcc: evil@example.net`,
    `${name}\u0000.mike@example.org`,
    ` ${person.email}`,
    'nowhere',
    '',
  ]) {
    t.equal(await json(JSON.stringify({ email })), 400, JSON.stringify(email))
  }
  t.equal(
    await json(JSON.stringify({ email: person.email.replace('mike', 'm\u0131ke') })),
    200,
    'a dotless i',
  )
  t.same(await sent(), [], 'none of these wrote a letter')

  // The Kelvin sign folds to k, so this names the account; the letter goes to the address that it signed up with.
  t.equal(await json(JSON.stringify({ email: person.email.replace('mike', 'mi\u212ae') })), 200)
  t.equal(await json(JSON.stringify({ email: person.email.toUpperCase() })), 200)
  t.same(await sent(), [null, null])
  await letterToken(service, person.email, '/reset', 2)
  const { rows } = await service.app.database.pool.query('SELECT DISTINCT "to" FROM mailbox')
  t.same(rows, [{ to: person.email }])
})

t.test('an address gets three letters an hour, whoever asks and for what', async (t) => {
  const service = await startApp(t)
  const { email } = await register(service)
  const asked = []
  for (let round = 0; round < 4; round += 1) {
    asked.push(await post(`${service.url}/request-reset`, { email }))
    asked.push(await post(`${service.url}/resend-verification`, { email }))
  }
  t.same(
    asked.map(({ status }) => status),
    Array(8).fill(200),
  )
  await requestsAdmitted(service)
  const { rows } = await service.app.database.pool.query('SELECT count(*)::int AS letters FROM outbox')
  t.same(rows, [{ letters: 3 }], 'the one of the registration among them')
})

t.test(
  'a reset confirms the address, and takes the account from whoever made it with an address of others',
  async (t) => {
    const service = await startApp(t, { EMAIL_VERIFICATION: 'optional' })
    const squatter = await signedIn(service)
    const own = somebody().email
    const json = { ...bearer(squatter.access), 'content-type': 'application/json' }
    await fetch(`${service.url}/user/widgets`, { method: 'POST', body: '{"planted":true}', headers: json })
    await post(
      `${service.url}/change-email`,
      { email: own, password: squatter.password },
      { headers: bearer(squatter.access) },
    )
    const hijack = await letterToken(service, own, '/confirm-email')

    t.equal((await reset(service, await resetToken(service, squatter.email))).status, 200)
    t.equal((await get(`${service.url}/user`, squatter.access)).status, 401)
    t.equal((await trySignIn(service, squatter, squatter.password)).status, 401)
    t.match(
      await post(`${service.url}/confirm-email`, { token: hijack }),
      LINK_INVALID,
      'a change of address that was under way is void',
    )
    const { access } = await signIn(service, { ...squatter, password: FRESH })
    t.match(await get(`${service.url}/user`, access), {
      body: { email: squatter.email, email_verified: true },
    })
    t.equal((await get(`${service.url}/user/widgets`, access)).status, 404)
  },
)

t.test('with EMAIL_VERIFICATION=required a reset activates the account', async (t) => {
  const service = await startApp(t)
  const person = somebody()
  await post(`${service.url}/register`, { ...person })
  t.equal((await trySignIn(service, person, person.password)).status, 403)
  t.equal((await reset(service, await resetToken(service, person.email))).status, 200)
  t.equal((await trySignIn(service, person, FRESH)).status, 200)
})

t.test('a letter goes to the account that works, whoever waits for its address since', async (t) => {
  const service = await startApp(t)
  const { pool } = service.app.database
  const movedIn = await register(service)
  // As an import leaves it: in use, and its address proven to nobody.
  await pool.query('UPDATE users SET email_verified_at = NULL WHERE username = $1', [movedIn.username])
  const waiting = Array.from({ length: 3 }, somebody)
  for (const each of waiting) await post(`${service.url}/register`, { ...each, email: movedIn.email })
  const askedOf = async (kind: string) =>
    (
      await pool.query(
        `SELECT u.username FROM events e JOIN users u ON u.id = e.user_id WHERE e.kind = $1 ORDER BY u.id`,
        [kind],
      )
    ).rows.map(({ username }) => username)

  await post(`${service.url}/resend-verification`, { email: movedIn.email })
  await requestsAdmitted(service)
  t.same(
    await askedOf('verification_requested'),
    [movedIn, ...waiting.slice(1)].map(({ username }) => username),
  )
  // Those of this hour are used up.
  await pool.query('DELETE FROM counters')
  const token = await resetToken(service, movedIn.email)
  t.same(await askedOf('reset_requested'), [movedIn.username])
  t.equal((await reset(service, token)).status, 200)
  t.equal((await trySignIn(service, movedIn, FRESH)).status, 200)
})

t.test('what a confirmed account holds survives a reset', async (t) => {
  const service = await startApp(t)
  const person = await signedIn(service)
  const json = { ...bearer(person.access), 'content-type': 'application/json' }
  await fetch(`${service.url}/user/widgets`, { method: 'POST', body: '[1]', headers: json })
  await reset(service, await resetToken(service, person.email))
  const { access } = await signIn(service, { ...person, password: FRESH })
  t.equal((await get(`${service.url}/user/widgets`, access)).status, 200)
})

t.test('no session that was bought with the old password outlives a reset', async (t) => {
  const service = await startApp(t)
  const person = await register(service)
  const token = await resetToken(service, person.email)
  const signIns = Array.from({ length: 15 }, () => trySignIn(service, person, person.password))
  const [, ...answers] = await Promise.all([untilAnswered(() => reset(service, token)), ...signIns])
  t.ok(answers.every(({ status }) => [200, 401, 503].includes(status)))
  t.equal((await trySignIn(service, person, person.password)).status, 401)
  const { rows } = await service.app.database.pool.query(
    'SELECT count(*)::int AS alive FROM sessions WHERE revoked_at IS NULL',
  )
  t.same(rows, [{ alive: 0 }])
})

t.test('a reset forgives the failures that locked the account, on known devices and elsewhere', async (t) => {
  const service = await startApp(t, { RATE_LIMIT: 'on' })
  const person = await signedIn(service)
  const guess = (password: string, userAgent: string) =>
    post(
      `${service.url}/token`,
      { username: person.username, password },
      { headers: { 'user-agent': userAgent } },
    )
  const devices = ['node', 'a stranger']
  for (const device of devices) {
    for (let attempt = 0; attempt < 10; attempt += 1) await guess('a wrong guess', device)
    t.equal((await guess(person.password, device)).status, 429, device)
  }
  t.equal((await reset(service, await resetToken(service, person.email))).status, 200)
  for (const device of devices) t.equal((await guess(FRESH, device)).status, 200, device)
})
