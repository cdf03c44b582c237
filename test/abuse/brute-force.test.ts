import t from 'tap'
import { createWindows, windowsOf } from '../../src/plugins/windows.ts'
import {
  letters,
  register,
  requestsAdmitted,
  signedIn,
  signIn,
  somebody,
  tokensOf,
} from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import type { Answer } from '../helpers/client.ts'
import { get, post } from '../helpers/client.ts'
import { gateTo } from '../helpers/gate.ts'
import { createTestDatabase } from '../helpers/postgres.ts'
import { connectTo, pipeline, rawPost, readAll, statusesIn } from '../helpers/raw.ts'

/** Group E of abuse-cases.md, as far as test/canonical/guards.test.ts and its neighbours do not ask for it. */

const GUARDED = { RATE_LIMIT: 'on', TRUST_PROXY: '127.0.0.0/8', EMAIL_VERIFICATION: 'optional' }
let clock = Date.now()
const world = { now: () => clock, random: () => 0 }
const service = await startApp(t, GUARDED, { world })

/** Every caller of these tests has an address of his own. */
let callers = 0
function stranger(): string {
  callers += 1
  return `198.18.${callers >> 8}.${callers & 0xff}`
}

function ask(
  path: string,
  fields: Record<string, string>,
  address = stranger(),
  { url }: TestApp = service,
): Promise<Answer> {
  return post(url + path, fields, { headers: { 'x-forwarded-for': address, 'user-agent': 'stranger' } })
}

/** The statuses of so many answers, one after another. */
async function repeat(times: number, send: (attempt: number) => Promise<Answer>): Promise<number[]> {
  const statuses: number[] = []
  for (let attempt = 0; attempt < times; attempt += 1) statuses.push((await send(attempt)).status)
  return statuses
}

const times = (count: number, status: number): number[] => Array(count).fill(status)

const guess = (username: string, address?: string, at?: TestApp) =>
  ask('/token', { username, password: 'a wrong guess' }, address, at)

/** How many passwords have been looked at since. */
function watchHashes({ app }: TestApp): () => number {
  let count = 0
  const { check } = app.bcryptPool
  Object.assign(app.bcryptPool, {
    check: (...args: Parameters<typeof check>) => {
      count += 1
      return check(...args)
    },
  })
  return () => count
}

const rateLimit = ({ headers }: Answer) => [
  headers.get('ratelimit-policy'),
  headers.get('ratelimit'),
  headers.get('retry-after'),
]

t.test(
  'E1, E2, E17: ten guesses from as many addresses, and no password is looked at any more, not the right one either',
  async (t) => {
    const { username, password } = await register(service)
    const hashes = watchHashes(service)
    t.same(await repeat(10, () => guess(username)), times(10, 401))
    t.equal(hashes(), 10)
    const first = await guess(username)
    t.match(first, { status: 429, body: { code: 'rate_limited' } })
    t.same(await repeat(5, () => guess(username)), times(5, 429))
    const right = await ask('/token', { username, password })
    t.equal(right.status, 429, 'the right password')
    t.equal(hashes(), 10)
    t.ok(
      Number(right.headers.get('retry-after')) <= Number(first.headers.get('retry-after')),
      'E21: asking again and again makes the lock no longer',
    )
    t.match(rateLimit(right), ['"failures-of-account";q=10;w=900', /^"failures-of-account";r=0;t=\d{3}$/])
    t.equal(rateLimit(right)[1], `"failures-of-account";r=0;t=${right.headers.get('retry-after')}`)
  },
)

t.test('E4: who does not come by the proxy is one address, whatever he says of himself', async (t) => {
  const direct = await startApp(t, { ...GUARDED, TRUST_PROXY: '10.0.0.0/8' }, { beside: service })
  const requests = Array.from({ length: 61 }, (_, index) =>
    rawPost('/verify-email', { token: 'x' }, [
      `X-Forwarded-For: 192.0.2.${index}, 10.0.0.1`,
      ...(index === 60 ? ['Connection: close'] : []),
    ]),
  )
  t.same(await pipeline(direct.url, requests), [...times(60, 400), 429])
})

t.test('E5: of many X-Forwarded-For lines the address counts that the proxy has put last', async (t) => {
  const address = stranger()
  const lines = (evil: string) => ['X-Forwarded-For: 203.0.113.9', `X-Forwarded-For: ${evil}, ${address}`]
  const requests = Array.from({ length: 61 }, (_, index) =>
    rawPost('/verify-email', { token: 'x' }, [
      ...lines(`192.0.2.${index}`),
      ...(index === 60 ? ['Connection: close'] : []),
    ]),
  )
  const statuses = await pipeline(service.url, requests)
  t.same(statuses, [...times(60, 400), 429])
})

t.test('E8: with RATE_LIMIT_IPV6_PREFIX=56 the addresses of a /56 are one', async (t) => {
  const wide = await startApp(t, { ...GUARDED, RATE_LIMIT_IPV6_PREFIX: '56' }, { beside: service })
  for (const [{ url }, status] of [
    [wide, 429],
    [service, 400],
  ] as const) {
    const from = (network: number, last: boolean) =>
      rawPost('/verify-email', { token: 'x' }, [
        `X-Forwarded-For: 2001:db8:1:${network.toString(16)}::1`,
        ...(last ? ['Connection: close'] : []),
      ])
    const requests = Array.from({ length: 61 }, (_, index) => from(0xab00 + index, index === 60))
    t.same((await pipeline(url, requests)).slice(59), [400, status])
    t.same(await pipeline(url, [from(0xac00, true)]), [400], 'the /56 beside it')
  }
})

t.test('E9: an IPv4 address is one however it is written, and not the same as every other', async (t) => {
  const forms = [
    '9.9.9.9',
    '::ffff:9.9.9.9',
    '::FFFF:909:909',
    '0:0:0:0:0:ffff:909:909',
    '[::ffff:909:909]:443',
  ]
  const use = (form?: string) => ask('/verify-email', { token: 'x' }, form)
  t.same(await repeat(60, (attempt) => use(forms[attempt % forms.length])), times(60, 400))
  t.same(await repeat(forms.length, (attempt) => use(forms[attempt])), times(forms.length, 429))
  t.equal((await use('::ffff:9.9.9.10')).status, 400)
  t.equal((await use('::ffff:909:90b')).status, 400)
})

t.test('E10: a name is one however it is written, of an account and of none', async (t) => {
  const account = await register(service)
  for (const name of [account.username, somebody().username]) {
    const wide = name.replace('user', 'ｕｓｅｒ')
    const forms = [name, name.toUpperCase(), wide, `${name.slice(0, 4).toUpperCase()}${name.slice(4)}`]
    const statuses = await repeat(12, (attempt) => guess(forms[attempt % forms.length] ?? ''))
    t.same(statuses, [...times(10, 401), 429, 429])
    t.equal((await guess(`${name}\0`)).status, 400)
  }
  for (const name of [` ${account.username}`, `${account.username} `, `${account.username}\u200b`]) {
    const { status } = await ask('/token', { username: name, password: account.password })
    t.ok([400, 401].includes(status), 'with a space it is no name of the account, and no guess at it')
  }
})

t.test('E12: ten guesses in all over three replicas, and a restart forgives none', async (t) => {
  const replicas = [
    service,
    await startApp(t, GUARDED, { beside: service }),
    await startApp(t, GUARDED, { beside: service }),
  ]
  const { username } = await register(service)
  const statuses: number[] = []
  for (let attempt = 0; attempt < 9; attempt += 1)
    statuses.push((await guess(username, undefined, replicas[attempt % 3])).status)
  await replicas[2]?.app.close()
  const restarted = await startApp(t, GUARDED, { beside: service })
  for (let attempt = 0; attempt < 3; attempt += 1)
    statuses.push((await guess(username, undefined, restarted)).status)
  t.same(statuses, [...times(10, 401), 429, 429])
})

t.test('E13: 5,001 other addresses between two guesses make nobody forget the first', async (t) => {
  const address = stranger()
  const from = (ip: string, last = true) =>
    rawPost('/verify-email', { token: 'x' }, [
      `X-Forwarded-For: ${ip}`,
      ...(last ? ['Connection: close'] : []),
    ])
  const guesses = await repeat(60, () => ask('/verify-email', { token: 'x' }, address))
  t.same(guesses, times(60, 400))
  for (let block = 0; block < 11; block += 1) {
    const others = Array.from({ length: 500 }, (_, index) =>
      from(`10.1.${block}.${index % 250}`, index === 499),
    )
    const elsewhere = others.map((request, index) => request.replace('10.1.', `10.${index < 250 ? 1 : 2}.`))
    t.equal((await pipeline(service.url, elsewhere)).length, 500)
  }
  t.same(await pipeline(service.url, [from(address)]), [429])
})

t.test(
  'E13: where memory is short, whoever came least is forgotten, and never one who came often',
  async (t) => {
    let now = 0
    const windows = createWindows({ windowMs: 1000, keysMax: 100, countsMax: 11, now: () => now })
    for (let count = 0; count < 11; count += 1) windows.hit('guesser')
    for (let other = 0; other < 10_000; other += 1) windows.hit(`other ${other}`)
    t.same(windows.hit('guesser'), { count: 12, endsInMs: 1000 })
    t.same(windows.hit('other 9999').count, 2, 'who came last is remembered')
    t.same(windows.hit('other 0').count, 1)
    now = 999
    t.same(windows.hit('guesser'), { count: 13, endsInMs: 1 })
    now = 1000
    t.same(windows.hit('guesser'), { count: 1, endsInMs: 1000 }, 'to the millisecond')
    now = -50_000
    t.same(windows.hit('guesser'), { count: 1, endsInMs: 1000 }, 'a clock that is set back locks nobody out')

    const limit = windowsOf(60, 1000, () => 0)
    for (const flood of ['first', 'second']) {
      limit.hit('guesser')
      for (let other = 1; other < 50_000; other += 1) limit.hit(`${flood} ${other}`)
    }
    t.same(
      limit.hit('guesser').count,
      3,
      'there is room for 50,000, and who came twice outlives who came once',
    )
  },
)

t.test('E14: without its counters nobody signs in, and status checks go on', async (t) => {
  const { url } = await createTestDatabase(t)
  const gate = await gateTo(t, url)
  const behind = await startApp(
    t,
    { RATE_LIMIT: 'on', EMAIL_VERIFICATION: 'optional' },
    { databaseUrl: gate.url },
  )
  const person = await signedIn(behind)
  gate.shut()
  const began = performance.now()
  const answers = await Promise.all([
    post(`${behind.url}/token`, { username: person.username, password: person.password }),
    post(`${behind.url}/register`, { ...somebody() }),
    post(`${behind.url}/request-reset`, { email: person.email }),
    post(`${behind.url}/refresh`, { refresh: person.refresh }),
  ])
  t.ok(performance.now() - began < 1000, `within ${Math.round(performance.now() - began)} ms`)
  for (const answer of answers) {
    t.match(answer, { status: 503, body: { code: 'unavailable' } })
    t.equal(answer.headers.get('retry-after'), '1')
  }
  t.equal((await get(`${behind.url}/check-auth-status`, person.access)).status, 200)
  gate.open()
})

t.test('E16: a path counts as the route that it leads to, and what leads nowhere is a 404', async (t) => {
  const address = stranger()
  const paths = ['/token', '/t%6Fken', '/token/', '/%74oken?x=1']
  const tries = await repeat(60, (attempt) =>
    ask(paths[attempt % 4] ?? '', { username: somebody().username, password: 'x' }, address),
  )
  t.same(tries, times(60, 401))
  for (const path of paths)
    t.equal((await ask(path, { username: 'x', password: 'x' }, address)).status, 429, path)
  for (const path of ['//token', '/TOKEN', '/token;x', '/./token', '/token//', '/token%2f', '/token%00']) {
    const socket = await connectTo(service.url)
    const answered = readAll(socket)
    socket.write(rawPost(path, { username: 'x', password: 'x' }, ['Connection: close']))
    t.same(statusesIn(await answered), [404], path)
  }
})

t.test('E18: to sign in to an account of his own gives a guesser no try back', async (t) => {
  const address = stranger()
  const [own, victim] = [await register(service), await register(service)]
  const statuses: number[] = []
  for (let attempt = 0; attempt < 12; attempt += 1) {
    statuses.push((await guess(victim.username, address)).status)
    t.equal((await ask('/token', { username: own.username, password: own.password }, address)).status, 200)
  }
  t.same(statuses, [...times(10, 401), 429, 429])
  for (let attempt = 24; attempt < 60; attempt += 1) await guess(somebody().username, address)
  t.equal(
    (await ask('/token', { username: own.username, password: own.password }, address)).status,
    429,
    'nor a try of his address',
  )
})

t.test(
  'E20: a hundred that ask for letters to one address are answered alike, and three letters go out',
  async (t) => {
    const { email, username } = await register(service)
    const bodies = new Set<string>()
    for (let round = 0; round < 50; round += 1) {
      for (const path of ['/request-reset', '/resend-verification']) {
        const answer = await ask(path, { email: round % 2 === 0 ? email : email.toUpperCase() })
        bodies.add(`${answer.status} ${path} ${JSON.stringify(answer.body)}`)
      }
    }
    t.equal(bodies.size, 2)
    t.ok([...bodies].every((body) => body.startsWith('200 ')))
    await requestsAdmitted(service)
    const { rows } = await service.app.database.pool.query(
      'SELECT count(*)::int AS letters FROM outbox JOIN users ON users.id = user_id WHERE username = $1',
      [username],
    )
    t.same(rows, [{ letters: 3 }])
    t.ok((await letters(service, email)).length <= 3)
  },
)

t.test('E22: an address has sixty tries a minute at links, over all kinds of them', async (t) => {
  const address = stranger()
  const paths = [
    ['/verify-email', {}],
    ['/reset', { password: 'another pass phrase' }],
    ['/confirm-email', {}],
  ] as const
  const tries = await repeat(60, (attempt) => {
    const [path, more] = paths[attempt % 3] ?? paths[0]
    return ask(path, { token: `guess ${attempt}`, ...more }, address)
  })
  t.same(tries, times(60, 400))
  for (const [path, more] of paths)
    t.equal((await ask(path, { token: 'guess', ...more }, address)).status, 429, path)
})

t.test('what is left of a limit, and when it is whole again, is said exactly', async (t) => {
  const address = stranger()
  const at = (seconds: number) => {
    clock = began + seconds * 1000
    return ask('/verify-email', { token: 'x' }, address)
  }
  const began = clock
  const policy = '"links-of-address";q=60;w=60'
  t.same(rateLimit(await at(0)), [policy, '"links-of-address";r=59;t=60', null])
  t.same(rateLimit(await at(0.001)), [policy, '"links-of-address";r=58;t=60', null])
  t.same(rateLimit(await at(1)), [policy, '"links-of-address";r=57;t=59', null])
  for (let attempt = 3; attempt < 60; attempt += 1) await at(20)
  t.same(rateLimit(await at(59.999)), [policy, '"links-of-address";r=0;t=1', '1'])
  t.equal((await at(59.999)).status, 429)
  t.same(rateLimit(await at(60)), [policy, '"links-of-address";r=59;t=60', null], 'when it said')
})

t.test('refreshes are counted by session, and what is left is said in the same form', async (t) => {
  const person = await register(service)
  const sessions = [await signIn(service, person), await signIn(service, person)] as const
  const policy = '"refreshes-of-session";q=60;w=60'
  const began = clock
  let token = sessions[0].refresh
  for (let round = 0; round < 60; round += 1) {
    const answer = await ask('/refresh', { refresh: token })
    token = tokensOf(answer).refresh
    t.same(rateLimit(answer), [policy, `"refreshes-of-session";r=${59 - round};t=60`, null])
  }
  clock = began + 30_500
  const stopped = await ask('/refresh', { refresh: token })
  t.equal(stopped.status, 429)
  t.same(rateLimit(stopped), [policy, '"refreshes-of-session";r=0;t=30', '30'])
  t.equal((await ask('/refresh', { refresh: sessions[1].refresh })).status, 200, 'the other session')
  clock = began + 60_000
  t.equal((await ask('/refresh', { refresh: token })).status, 200)
})
