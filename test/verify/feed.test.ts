import { randomBytes, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import t from 'tap'
import type { RevocationOptions } from '../../src/verify/index.ts'
import { createVerifier } from '../../src/verify/index.ts'
import { until } from '../helpers/until.ts'
import { COMMON, claims, hmacSigner, serve } from './signing.ts'

const LIFE_SECONDS = 900
const CREDENTIALS = { clientId: 'billing', clientSecret: 'a secret+of/billing' }
const BASIC = `Basic ${Buffer.from('billing:a+secret%2Bof%2Fbilling').toString('base64')}`
const signer = hmacSigner()

interface Question {
  readonly after: string | null
  readonly wait: string | null
  readonly ifNoneMatch: string | undefined
  readonly at: number
}

type Tap = { teardown(end: () => unknown): void }

/** The feed of Keyturn in a few lines: cursor, ETag, long poll. */
async function startFeed(t: Tap) {
  const revoked: { sid: string; revoked_at: number; expires_at: number }[] = []
  const asked: Question[] = []
  const waiting = new Set<() => void>()
  const state = {
    revoked,
    asked,
    url: '',
    /** How an answer goes wrong, if it does. */
    fault: undefined as undefined | ((response: ServerResponse) => void),
    notModified: 0,
    held: () => waiting.size,
    revoke(sid: string) {
      const now = Math.floor(Date.now() / 1000)
      revoked.push({ sid, revoked_at: now, expires_at: now + LIFE_SECONDS })
      for (const wake of waiting) wake()
    },
    close: async () => {},
  }
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '', 'http://feed.test')
    const [after, wait] = [url.searchParams.get('after'), url.searchParams.get('wait')]
    asked.push({ after, wait, ifNoneMatch: request.headers['if-none-match'], at: Date.now() })
    if (state.fault !== undefined) return state.fault(response)
    if (request.headers.authorization !== BASIC) return response.writeHead(401).end()
    const known = after === null ? 0 : Number(after.slice(1))
    const reset = after !== null && !(known <= revoked.length)
    if (known === revoked.length && wait !== null) await changeWithin(Number(wait) * 1000, response)
    const cursor = `c${revoked.length}`
    const etag = `"${after}-${cursor}"`
    if (request.headers['if-none-match'] === etag) {
      state.notModified += 1
      return response.writeHead(304, { etag }).end()
    }
    const body = { revoked: revoked.slice(reset ? 0 : known), cursor, server_time: 0, max_age: LIFE_SECONDS }
    response.writeHead(200, { 'content-type': 'application/json', etag })
    return response.end(JSON.stringify(reset ? { ...body, reset } : body))
  }
  function changeWithin(ms: number, response: ServerResponse): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        waiting.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, ms)
      waiting.add(wake)
      response.once('close', wake)
    })
  }
  const server = await serve(t, answer)
  return Object.assign(state, { url: `${server.url}/revocations`, close: server.close })
}

function following(
  t: Tap,
  url: string,
  feed: Partial<RevocationOptions> = {},
  more: { random?: () => number; onProblem?: () => void } = {},
) {
  const clock = { aheadMs: 0 }
  const problems: string[] = []
  const verifier = createVerifier({
    ...COMMON,
    secrets: signer.secrets,
    now: () => Date.now() + clock.aheadMs,
    onProblem: (about, error) => problems.push(`${about}: ${error}`),
    revocations: { url, ...CREDENTIALS, onStale: 'closed', ...feed },
    ...more,
  })
  t.teardown(() => verifier.close())
  const codeOf = async (token: string) => (await verifier.verify(token)).error?.code
  return { verifier, clock, problems, codeOf }
}

const tokenOf = (sid: string) => signer.token(undefined, claims({ sid }))

t.test('a logout reaches a verifier by the held question in well under a second', async (t) => {
  const feed = await startFeed(t)
  const earlier = randomUUID()
  feed.revoke(earlier)
  const { verifier, codeOf } = following(t, feed.url)
  const sid = randomUUID()
  t.equal(await codeOf(tokenOf(earlier)), 'session_revoked', 'the first token waits for the first answer')
  t.equal(await codeOf(tokenOf(sid)), undefined)
  await until('the question that is held', () => feed.asked.length === 2)
  t.match(feed.asked, [
    { after: null, wait: null },
    { after: 'c1', wait: '20' },
  ])
  const at = Date.now()
  feed.revoke(sid)
  await until('the logout is known', async () => (await codeOf(tokenOf(sid))) === 'session_revoked', 1)
  t.comment(`known after ${Date.now() - at} ms`)
  t.equal(await codeOf(tokenOf(sid.toUpperCase())), 'claims_invalid', 'no other spelling of it passes')
  t.equal(await codeOf(tokenOf(randomUUID())), undefined, 'others go on')
  t.match(verifier.state(), { revokedSessions: 2, revocationsAgeSeconds: Number })
})

t.test('an unchanged answer is not sent twice, and counts as fresh', async (t) => {
  const feed = await startFeed(t)
  const { verifier, codeOf } = following(t, feed.url, { maxStaleSeconds: 5 })
  await verifier.ready()
  await until('a 304', () => feed.notModified > 0)
  t.match(feed.asked.slice(0, 3), [
    { after: null, wait: null, ifNoneMatch: undefined },
    { after: 'c0', wait: '1', ifNoneMatch: undefined },
    { after: 'c0', wait: '1', ifNoneMatch: '"c0-c0"' },
  ])
  t.equal(await codeOf(tokenOf(randomUUID())), undefined)
  t.ok((verifier.state().revocationsAgeSeconds ?? 9) < 3)
})

t.test(
  'a feed that restarted with an unknown cursor gives the whole set, and nothing known is forgotten',
  async (t) => {
    const feed = await startFeed(t)
    const [first, second] = [randomUUID(), randomUUID()]
    feed.revoke(first)
    feed.revoke(randomUUID())
    const { verifier, codeOf } = following(t, feed.url, { maxStaleSeconds: 5 })
    await verifier.ready()
    // As after a database that was restored: the list is shorter, and the cursor is beyond it.
    feed.revoked.length = 0
    feed.revoke(second)
    await until('the new set', async () => (await codeOf(tokenOf(second))) === 'session_revoked')
    t.equal(await codeOf(tokenOf(first)), 'session_revoked', 'what was once revoked stays so')
  },
)

t.test(
  'without the feed: known logouts hold, and the rest is as onStale says, after maxStaleSeconds',
  async (t) => {
    for (const onStale of ['open', 'closed'] as const) {
      const feed = await startFeed(t)
      const [gone, alive] = [randomUUID(), randomUUID()]
      feed.revoke(gone)
      const { verifier, clock, codeOf, problems } = following(t, feed.url, { onStale, maxStaleSeconds: 60 })
      await verifier.ready()
      await feed.close()
      await until('somebody is told', () => problems.length > 0)
      t.match(problems[0], /^revocations: /)
      t.equal(await codeOf(tokenOf(alive)), undefined, `${onStale}: within the limit`)
      clock.aheadMs = 62_000
      t.equal(
        await codeOf(tokenOf(alive)),
        onStale === 'open' ? undefined : 'revocations_stale',
        `${onStale}: after it`,
      )
      t.equal(await codeOf(tokenOf(gone)), 'session_revoked', `${onStale}: what is known holds`)
      clock.aheadMs = -3_600_000
      const iat = Math.floor((Date.now() + clock.aheadMs) / 1000)
      const token = signer.token(undefined, claims({ sid: alive, iat, exp: iat + 900 }))
      t.equal(
        await codeOf(token),
        onStale === 'open' ? undefined : 'revocations_stale',
        `${onStale}: a clock that is set back makes nothing fresh`,
      )
    }
  },
)

t.test('a start without the feed: open believes, closed refuses, both recover by themselves', async (t) => {
  for (const onStale of ['open', 'closed'] as const) {
    const feed = await startFeed(t)
    feed.fault = (response) => response.writeHead(503, { 'retry-after': '1' }).end()
    const { verifier, codeOf } = following(t, feed.url, { onStale })
    const sid = randomUUID()
    t.equal(await codeOf(tokenOf(sid)), onStale === 'open' ? undefined : 'revocations_stale')
    await t.rejects(verifier.ready(), /answered 503/)
    feed.revoke(sid)
    feed.fault = undefined
    await until('it recovers', async () => (await codeOf(tokenOf(sid))) === 'session_revoked')
    t.equal(await codeOf(tokenOf(randomUUID())), undefined)
    const [first, second] = feed.asked
    t.ok((second?.at ?? 0) - (first?.at ?? 0) >= 990, 'Retry-After is kept')
  }
})

t.test('a feed that fails is asked less and less, by chance', async (t) => {
  const gaps = async (random: () => number) => {
    const feed = await startFeed(t)
    feed.fault = (response) => response.writeHead(500).end()
    const { verifier } = following(t, feed.url, {}, { random })
    await until('three tries', () => feed.asked.length >= 3)
    verifier.close()
    return feed.asked.slice(1, 3).map(({ at }, index) => at - (feed.asked[index]?.at ?? 0))
  }
  const [early, late] = await Promise.all([gaps(() => 0), gaps(() => 1)])
  for (const [found, least] of [
    [early, [250, 500]],
    [late, [500, 1000]],
  ] as const) {
    t.ok(
      least.every((ms, index) => (found[index] ?? 0) >= ms - 5),
      `${found} are at least ${least}`,
    )
  }
})

t.test('an answer with a hole in it is believed in nothing', async (t) => {
  const sid = randomUUID()
  const good = { sid, revoked_at: 1, expires_at: Math.floor(Date.now() / 1000) + 900 }
  const broken = [
    'no json',
    'null',
    '[]',
    '{}',
    { cursor: 'c' },
    { revoked: [good] },
    { revoked: [good], cursor: 7 },
    { revoked: [good], cursor: '' },
    { revoked: [good, { ...good, sid: 'all' }], cursor: 'c' },
    { revoked: [good, { ...good, sid: [sid] }], cursor: 'c' },
    { revoked: [good, { ...good, expires_at: 'never' }], cursor: 'c' },
    { revoked: [null], cursor: 'c' },
  ]
  for (const body of broken) {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const feed = await serve(t, (_, response) => response.end(text))
    const { verifier, codeOf } = following(t, feed.url)
    t.equal(await codeOf(tokenOf(sid)), 'revocations_stale', text.slice(0, 60))
    t.equal(verifier.state().revokedSessions, 0)
    verifier.close()
  }
})

t.test('an answer that nobody asked for, 304 out of the blue, is none', async (t) => {
  const feed = await startFeed(t)
  feed.fault = (response) => response.writeHead(304).end()
  const { verifier, codeOf } = following(t, feed.url)
  t.equal(await codeOf(tokenOf(randomUUID())), 'revocations_stale')
  t.equal(verifier.state().revocationsAgeSeconds, undefined)
})

t.test('a logger that throws ends nothing', async (t) => {
  const feed = await startFeed(t)
  feed.fault = (response) => response.writeHead(500).end()
  const onProblem = () => {
    throw new Error('the disk is full')
  }
  const { codeOf } = following(t, feed.url, {}, { onProblem })
  t.equal(await codeOf(tokenOf(randomUUID())), 'revocations_stale')
  feed.fault = undefined
  await until(
    'the feed is followed all the same',
    async () => (await codeOf(tokenOf(randomUUID()))) === undefined,
  )
})

t.test('credentials are sent where they were configured to, and stand in no message', async (t) => {
  const elsewhere = await startFeed(t)
  const feed = await startFeed(t)
  feed.fault = (response) => response.writeHead(307, { location: elsewhere.url }).end()
  const led = following(t, feed.url)
  await t.rejects(led.verifier.ready())
  t.equal(elsewhere.asked.length, 0, 'no redirect is followed')
  feed.fault = undefined
  const stranger = following(t, feed.url, { clientSecret: 'hunter22' })
  await t.rejects(
    stranger.verifier.ready(),
    /answered 401: check clientId and clientSecret against SERVICE_CLIENTS/,
  )
  t.notMatch(stranger.problems.join(), /hunter22/)
})

t.test('close ends the held question', async (t) => {
  const feed = await startFeed(t)
  const { verifier, problems } = following(t, feed.url)
  await until('the question that is held', () => feed.held() === 1)
  verifier.close()
  await until('its end', () => feed.held() === 0)
  t.equal(feed.asked.length, 2)
  t.strictSame(problems, [], 'nobody is told of what was wanted')
})

t.test('100,000 revocations are one download and a few megabytes, and leave when they expire', async (t) => {
  const feed = await startFeed(t)
  const now = Math.floor(Date.now() / 1000)
  const last = randomUUID()
  const bytes = randomBytes(16 * 100_000).toString('hex')
  for (let at = 0; at < 99_999; at += 1) {
    const sid = bytes.slice(at * 32, at * 32 + 32).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
    feed.revoked.push({ sid, revoked_at: now, expires_at: now + LIFE_SECONDS })
  }
  feed.revoke(last)
  const { verifier, clock, codeOf } = following(t, feed.url, { maxStaleSeconds: 5 })
  await verifier.ready()
  t.equal(verifier.state().revokedSessions, 100_000)
  t.equal(await codeOf(tokenOf(last)), 'session_revoked')
  t.equal(feed.asked[0]?.after, null)
  t.equal(feed.asked.filter(({ after }) => after === null).length, 1, 'the whole set is asked for once')
  clock.aheadMs = 1000 * (LIFE_SECONDS + 70)
  feed.revoke(randomUUID())
  await until('they are forgotten', () => verifier.state().revokedSessions <= 1)
})
