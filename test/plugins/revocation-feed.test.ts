import { gzipSync } from 'node:zlib'
import Fastify from 'fastify'
import { decodeJwt } from 'jose'
import pg from 'pg'
import t from 'tap'
import { createWaitingRoom } from '../../src/plugins/waiting-room.ts'
import { register, signedIn, signIn } from '../helpers/accounts.ts'
import type { Settings, TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import { bearer, post } from '../helpers/client.ts'
import { basic, WITH_SERVICE } from '../helpers/service-client.ts'
import { until } from '../helpers/until.ts'

interface Feed {
  readonly revoked: readonly {
    readonly sid: string
    readonly revoked_at: number
    readonly expires_at: number
  }[]
  readonly cursor: string
  readonly server_time: number
  readonly max_age: number
  readonly reset?: true
}

const start = (t: Parameters<typeof startApp>[0], settings: Settings = {}, beside?: TestApp) =>
  startApp(t, { ...WITH_SERVICE, ...settings }, beside && { beside })

const ask = ({ url }: TestApp, query = '', headers: Record<string, string> = {}) =>
  fetch(`${url}/revocations${query}`, { headers: { ...basic(), ...headers } })

async function read(answer: Response): Promise<Feed> {
  return JSON.parse(await answer.text())
}

const follow = async (service: TestApp, query = '') => read(await ask(service, query))
const sidOf = (access: string) => String(decodeJwt(access)['sid'])
const sids = ({ revoked }: Feed) => revoked.map(({ sid }) => sid)
const logOut = ({ url }: TestApp, access: string) => post(`${url}/logout`, {}, { headers: bearer(access) })

/** Until so many readers wait. */
async function untilWaiting({ app }: TestApp, count: number): Promise<void> {
  await until(`${count} readers wait`, () => app.revocationReaders.waiting === count)
}

t.test('it tells which sessions were revoked, when, and until when that matters', async (t) => {
  const service = await start(t, { ACCESS_TTL: '10m' })
  const { access } = await signedIn(service)
  const empty = await follow(service)
  t.match(empty, { revoked: [], max_age: 600 })
  t.notOk('reset' in empty)
  const before = Math.floor(Date.now() / 1000)
  await logOut(service, access)
  const all = await follow(service)
  t.strictSame(sids(all), [sidOf(access)])
  const [entry] = all.revoked
  t.ok(entry && entry.revoked_at >= before - 1 && entry.revoked_at <= all.server_time + 1)
  t.ok(entry && entry.expires_at - entry.revoked_at >= 600, 'every token made before has expired by then')
  t.ok(Math.abs(all.server_time - Date.now() / 1000) < 5)
  t.strictSame(sids(await follow(service, `?after=${empty.cursor}`)), [sidOf(access)])
  t.strictSame((await follow(service, `?after=${all.cursor}`)).revoked, [])
})

t.test('it is for SERVICE_CLIENTS, and for nobody where there are none', async (t) => {
  const service = await start(t)
  const { access } = await signedIn(service)
  const wrong = [
    {},
    bearer(access),
    basic({ id: 'reports', secret: 'Zk3-vQ8_nW5.tY2~pL7sD4gH9jC6xB1mR0aG' }),
    basic({ id: 'others', secret: 'Zk3-vQ8_nW5.tY2~pL7sD4gH9jC6xB1mR0aF' }),
    { authorization: 'Basic' },
    { authorization: 'Basic !' },
    { authorization: `Basic ${Buffer.from('reports').toString('base64')}` },
  ]
  const nobody = await startApp(t, {}, { beside: service })
  for (const [to, headers] of [
    ...wrong.map((each) => [service, each] as const),
    [nobody, basic()] as const,
  ]) {
    const answer = await fetch(`${to.url}/revocations`, { headers })
    t.equal(answer.status, 401)
    t.equal(answer.headers.get('www-authenticate'), 'Basic realm="keyturn", charset="UTF-8"')
    t.match(JSON.parse(await answer.text()), { code: 'invalid_client' })
  }
  const encoded = Buffer.from('reports:Zk3%2DvQ8%5FnW5%2EtY2%7EpL7sD4gH9jC6xB1mR0aF').toString('base64')
  t.equal(
    (await ask(service, '', { authorization: `Basic ${encoded}` })).status,
    200,
    'as RFC 6749, 2.3.1 has it',
  )
})

t.test('a long poll is answered the moment something is revoked, here or at another replica', async (t) => {
  const service = await start(t)
  const replica = await start(t, {}, service)
  const person = await register(service)
  for (const elsewhere of [service, replica]) {
    const { access } = await signIn(service, person)
    const { cursor } = await follow(service)
    const asked = follow(service, `?after=${cursor}&wait=30`)
    await untilWaiting(service, 1)
    const began = performance.now()
    await logOut(elsewhere, access)
    t.strictSame(sids(await asked), [sidOf(access)])
    t.ok(performance.now() - began < 1000)
  }
})

t.test(
  'a long poll without news ends when its time is over, and one that is given up is forgotten',
  async (t) => {
    const service = await start(t)
    const { cursor } = await follow(service)
    const began = performance.now()
    t.strictSame((await follow(service, `?after=${cursor}&wait=1`)).revoked, [])
    t.ok(performance.now() - began >= 990)
    const leaving = new AbortController()
    const left = fetch(`${service.url}/revocations?after=${cursor}&wait=30`, {
      headers: basic(),
      signal: leaving.signal,
    })
    await untilWaiting(service, 1)
    leaving.abort()
    await t.rejects(left)
    await untilWaiting(service, 0)
  },
)

t.test('draining ends every long poll at once with what is known, and so does closing', async (t) => {
  const service = await start(t)
  const { cursor } = await follow(service)
  const asked = [1, 2, 3].map(() => ask(service, `?after=${cursor}&wait=30`))
  await untilWaiting(service, 3)
  const began = performance.now()
  service.app.health.drain()
  for (const answer of await Promise.all(asked)) {
    t.equal(answer.status, 200)
    t.strictSame((await read(answer)).revoked, [])
  }
  t.equal((await ask(service, `?after=${cursor}&wait=30`)).status, 200, 'who comes now does not wait')
  t.ok(performance.now() - began < 2000)

  const other = await start(t)
  const waiting = ask(other, `?after=${(await follow(other)).cursor}&wait=30`)
  await untilWaiting(other, 1)
  const closing = other.app.close()
  t.equal((await waiting).status, 200)
  await closing
  t.ok(performance.now() - began < 6000)
})

t.test('when too many wait, who comes then is answered at once', async (t) => {
  const app = Fastify()
  const room = createWaitingRoom(2)
  app.get('/', async (request) => {
    await room.wait(request, 30_000)
    return 'woken'
  })
  t.teardown(() => app.close())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const asked = [fetch(url), fetch(url)]
  await until('both wait', () => room.waiting >= 2)
  t.equal(await (await fetch(url)).text(), 'woken')
  t.equal(room.waiting, 2)
  room.wakeAll()
  await Promise.all(asked)
  t.equal(room.waiting, 0)
})

t.test('the ETag changes with what is known: without news If-None-Match is 304, or waits', async (t) => {
  const service = await start(t)
  const { access } = await signedIn(service)
  const first = await ask(service)
  const tag = first.headers.get('etag') ?? ''
  t.match(tag, /^W\/"[^"]+"$/)
  await first.text()
  const unchanged = await ask(service, '', { 'if-none-match': tag })
  t.equal(unchanged.status, 304)
  t.equal(unchanged.headers.get('etag'), tag)
  t.equal((await ask(service, '?wait=1', { 'if-none-match': `"other", ${tag}` })).status, 304)
  const asked = ask(service, '?wait=30', { 'if-none-match': tag })
  await untilWaiting(service, 1)
  await logOut(service, access)
  const news = await asked
  t.equal(news.status, 200)
  t.not(news.headers.get('etag'), tag)
  t.strictSame(sids(await read(news)), [sidOf(access)])
})

t.test(
  'a cursor of another replica tells what was just revoked once more; one of nobody starts anew',
  async (t) => {
    const service = await start(t)
    const replica = await start(t, {}, service)
    const person = await register(service)
    const [one, two] = [await signIn(service, person), await signIn(service, person)]
    await logOut(service, one.access)
    const { cursor } = await follow(service)
    await logOut(service, two.access)
    await until('the replica has learnt of it', () => replica.app.revokedSessions.has(sidOf(two.access)))
    const elsewhere = await follow(replica, `?after=${cursor}`)
    t.strictSame(sids(elsewhere).sort(), [sidOf(one.access), sidOf(two.access)].sort())
    t.notOk('reset' in elsewhere)
    const began = performance.now()
    t.ok((await follow(replica, `?after=${cursor}&wait=30`)).revoked.length >= 2)
    t.ok(performance.now() - began > 300, 'but who waits cannot be made to ask again and again')
    for (const unknown of ['x', 'A'.repeat(27), '%00', 'A'.repeat(300)]) {
      const anew = await follow(service, `?after=${unknown}`)
      t.strictSame([anew.reset, anew.revoked.length], [true, 2])
    }
  },
)

t.test('wait is whole seconds up to 30, and nothing is cut in silence', async (t) => {
  const service = await start(t)
  for (const wait of ['31', '-1', '1.5', 'x', '', '1e1', '030'])
    t.equal((await ask(service, `?wait=${wait}`)).status, 400, wait)
  t.equal((await ask(service, '?wait=0&wait=1')).status, 400)
})

t.test(
  '100,000 revocations are one download of less than 3 MB, and a few hundred bytes from then on',
  async (t) => {
    const service = await start(t)
    const { access } = await signedIn(service)
    // Not by the pool of the service, which gives a statement two seconds.
    const client = new pg.Client(service.databaseUrl)
    await client.connect()
    t.teardown(() => client.end())
    await client.query(`
    INSERT INTO sessions (id, user_id, created_at, rotated_at, expires_at, rotates, ip, user_agent, revoked_at)
    SELECT uuidv7(make_interval(secs => -2592000 * random())), users.id, now(), now(), now() + interval '1 day', true, '192.0.2.1', '',
      now() - make_interval(secs => 300 * (number % 3))
    FROM users, generate_series(1, 100000) AS number`)
    const replica = await start(t, {}, service)
    const answer = await ask(replica, '', { 'accept-encoding': 'gzip' })
    t.equal(answer.headers.get('content-encoding'), 'gzip')
    const text = await answer.text()
    const feed: Feed = JSON.parse(text)
    t.equal(new Set(sids(feed)).size, 100_000)
    const size = gzipSync(text, { level: 5 }).length
    t.comment(`${(size / 1e6).toFixed(2)} MB compressed of ${(text.length / 1e6).toFixed(1)} MB`)
    t.ok(size < 3e6)
    const plain = await ask(replica, '', { 'accept-encoding': 'identity' })
    t.equal(plain.headers.get('content-encoding'), null)
    t.equal((await read(plain)).revoked.length, 100_000)
    await logOut(replica, access)
    const next = await (await ask(replica, `?after=${feed.cursor}`)).text()
    t.ok(next.length < 500)
    t.strictSame(sids(JSON.parse(next)), [sidOf(access)])
  },
)
