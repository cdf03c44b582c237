import t from 'tap'
import { signedIn, signIn, somebody } from '../helpers/accounts.ts'
import { startApp } from '../helpers/app.ts'
import { post } from '../helpers/client.ts'

const BEHIND_PROXY = { TRUST_PROXY: '127.0.0.0/8', RATE_LIMIT: 'on' }

/** What gateways are known to write, and what strangers do, with the address that is meant. */
const FORMS: readonly [forwardedFor: string, ip: string][] = [
  ['192.0.2.1', '192.0.2.1'],
  ['192.0.2.1:5678', '192.0.2.1'],
  ['2001:db8::1', '2001:db8::1'],
  ['2001:DB8:0:0::0001', '2001:db8::1'],
  ['[2001:db8::1]:443', '2001:db8::1'],
  ['[2001:db8::1]', '2001:db8::1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['[fe80::1%25eth0]:443', 'fe80::1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['192.0.2.9, 192.0.2.1', '192.0.2.1'],
  ['evil, 192.0.2.1', '192.0.2.1'],
  ['192.0.2.1, 127.0.0.1', '192.0.2.1'],
  [' 192.0.2.1 ', '192.0.2.1'],
]

/** Where nothing is meant, the caller is the proxy. */
const GARBAGE = [
  'unknown',
  '_hidden',
  '"[2001:db8::1]:443"',
  'for=192.0.2.1',
  '192.0.2.256',
  '192.0.2',
  '0x7f.1',
  '192.0.2.1:port',
  '[2001:db8::1',
  '2001:db8::1::2',
  '2001:db8::1:443:5:6:7:8:9',
  '::ffff:999.0.2.1',
  '%eth0',
  '[]:443',
  ',',
  ', ,',
  '192.0.2.1/24',
  "'; DROP TABLE users; --",
  'x'.repeat(4000),
  Array(500).fill('10.0.0.1').join(','),
]

t.test('behind a trusted proxy whoever is named is recorded, in whatever form', async (t) => {
  const service = await startApp(t, BEHIND_PROXY)
  for (const [forwardedFor, ip] of FORMS) {
    const { username } = somebody()
    const answer = await post(
      `${service.url}/token`,
      { username, password: 'x' },
      { headers: { 'x-forwarded-for': forwardedFor, 'user-agent': username } },
    )
    t.equal(answer.status, 401, forwardedFor)
    const { rows } = await service.app.database.pool.query(
      'SELECT host(ip) AS ip FROM events WHERE user_agent = $1',
      [username],
    )
    t.same(rows, [{ ip }], forwardedFor)
  }
})

t.test('whatever stands in X-Forwarded-For, every endpoint that records it answers as without', async (t) => {
  const service = await startApp(t, { TRUST_PROXY: '127.0.0.0/8', EMAIL_VERIFICATION: 'optional' })
  const guarded = await startApp(t, { ...BEHIND_PROXY, EMAIL_VERIFICATION: 'optional' }, { beside: service })
  const person = await signedIn(service)
  async function everywhere(forwardedFor: string): Promise<void> {
    const send = (path: string, fields: Record<string, string>, { url } = guarded) =>
      post(url + path, fields, { headers: { 'x-forwarded-for': forwardedFor } })
    const { refresh } = await signIn(service, person)
    const { username, password } = person
    const answers = [
      await send('/token', { username: somebody().username, password: 'x' }),
      await send('/token', { username, password }, service),
      await send('/register', { ...somebody() }, service),
      await send('/verify-email', { token: 'x' }),
      await send('/resend-verification', { email: somebody().email }),
      await send('/refresh', { refresh }),
      await send('/refresh', { refresh }),
      await send('/logout', { refresh }),
    ]
    t.same(
      answers.map(({ status }) => status),
      [401, 200, 201, 400, 200, 200, 200, 200],
      forwardedFor.slice(0, 60),
    )
  }
  // One after the other: all at once they fill the queue of hashes of a machine that is busy.
  for (const form of [...FORMS.map(([each]) => each), ...GARBAGE]) await everywhere(form)
})

t.test(
  'where nothing is meant the caller is the proxy, and without one the header is not looked at',
  async (t) => {
    const behind = await startApp(t, BEHIND_PROXY)
    const open = await startApp(t, {}, { beside: behind })
    for (const [service, forwardedFor] of [
      ...GARBAGE.slice(0, -1).map((garbage) => [behind, garbage] as const),
      ...FORMS.map(([form]) => [open, form] as const),
    ]) {
      await post(
        `${service.url}/token`,
        { username: 'x', password: 'x' },
        { headers: { 'x-forwarded-for': forwardedFor } },
      )
    }
    const { rows } = await behind.app.database.pool.query('SELECT DISTINCT host(ip) AS ip FROM events')
    t.same(rows, [{ ip: '127.0.0.1' }])
  },
)

t.test('an address has its sixty tries a minute in whatever form a gateway names it', async (t) => {
  const service = await startApp(t, BEHIND_PROXY)
  const tryFrom = async (forwardedFor: string) =>
    (
      await post(
        `${service.url}/token`,
        { username: somebody().username, password: 'x' },
        { headers: { 'x-forwarded-for': forwardedFor } },
      )
    ).status
  const forms = (port: number) => [`192.0.2.1:${port}`, `[2001:db8:1:2::${port}]:${port}`]
  for (let port = 1; port <= 60; port += 1) {
    for (const form of forms(port)) t.equal(await tryFrom(form), 401, form)
  }
  for (const form of [...forms(61), '192.0.2.1', '::ffff:192.0.2.1', '2001:db8:1:2:3::4'])
    t.equal(await tryFrom(form), 429, form)
  t.equal(await tryFrom('192.0.2.2:61'), 401)
  t.equal(await tryFrom('[2001:db8:1:3::1]:61'), 401)
})

t.test('a User-Agent is kept clean and cut, and never in the way', async (t) => {
  const service = await startApp(t)
  for (const [userAgent, kept] of [
    ['x'.repeat(1000), 'x'.repeat(300)],
    ['tab\there', 'tab here'],
    ['caf\u00e9', 'caf\u00e9'],
    ['', ''],
  ] as const) {
    const { username } = somebody()
    await post(`${service.url}/token`, { username, password: 'x' }, { headers: { 'user-agent': userAgent } })
    const { rows } = await service.app.database.pool.query(
      'SELECT user_agent FROM events ORDER BY at DESC, id DESC LIMIT 1',
    )
    t.equal(rows[0].user_agent, kept)
  }
})
