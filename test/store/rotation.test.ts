import t from 'tap'
import { v7 as uuidV7 } from 'uuid'
import type { Rotation } from '../../src/core/ports.ts'
import { signedIn } from '../helpers/accounts.ts'
import { startApp } from '../helpers/app.ts'
import { post } from '../helpers/client.ts'
import {
  accountIn,
  beginElsewhere,
  countUpdates,
  IDLE_TTL_SECONDS,
  openStore,
  sessionIn,
  sessionsIn,
  slowCommits,
  untilWaiting,
} from '../helpers/store.ts'
import { until } from '../helpers/until.ts'

const from = (sessionId: string, generation = 0, key: Rotation['key'] = undefined): Rotation => ({
  sessionId,
  generation,
  key,
})
const LOCK = 'SELECT FROM sessions WHERE id = $1 FOR UPDATE'

t.test('a row that somebody holds is passed over, and alone it is waited for', async (t) => {
  const stores = await openStore(t, { patient: true })
  const { sessions } = stores.store
  const id = await sessionIn(stores)
  const holder = await beginElsewhere(t, stores.pool, LOCK, [id])
  t.equal(await sessions.rotate(from(id)), undefined, 'passed over while the row is held')

  const alone = sessions.rotateAlone(from(id))
  await untilWaiting(stores.pool)
  const meanwhile = sessions.rotate(from(id))
  await holder.commit()
  t.match(await alone, { session: { generation: 1 } })
  t.equal(await meanwhile, undefined, 'one that came in between is to judge again')
})

t.test('one that is to wait for its row is not put off by one that passes it over', async (t) => {
  const stores = await openStore(t, { patient: true })
  const { sessions } = stores.store
  const id = await sessionIn(stores)
  const holder = await beginElsewhere(t, stores.pool, LOCK, [id])
  const passing = sessions.rotate(from(id))
  let isAnswered = false
  const alone = sessions.rotateAlone(from(id)).finally(() => {
    isAnswered = true
  })
  t.equal(await passing, undefined)
  await untilWaiting(stores.pool)
  t.notOk(isAnswered, 'it waits')
  await holder.commit()
  t.match(await alone, { session: { generation: 1 } })
})

t.test('one held row does not keep the others of its batch waiting', async (t) => {
  const stores = await openStore(t)
  const { sessions } = stores.store
  const ids = await Promise.all(Array.from({ length: 5 }, () => sessionIn(stores)))
  const holder = await beginElsewhere(t, stores.pool, LOCK, [ids[2]])
  const updates = await countUpdates(stores.pool, 'sessions')
  const views = await Promise.all(ids.map((id) => sessions.rotate(from(id))))
  t.same(
    views.map((view) => view?.session.generation),
    [1, 1, undefined, 1, 1],
  )
  t.equal(await updates(), 2, 'the first went alone, the others shared one statement')
  await holder.rollback()
})

t.test('a row that changed while it was waited for is rotated from what it has become', async (t) => {
  const stores = await openStore(t, { patient: true })
  const { sessions } = stores.store
  const changes = [
    ['seen meanwhile', 'seen_generation = 0', { session: { generation: 1, seenGeneration: 0 } }],
    ['rotated meanwhile', 'generation = 1', undefined],
    ['revoked meanwhile', 'revoked_at = now()', undefined],
    ['expired meanwhile', 'expires_at = now()', undefined],
  ] as const
  for (const [what, change, expected] of changes) {
    const id = await sessionIn(stores)
    const holder = await beginElsewhere(t, stores.pool, `UPDATE sessions SET ${change} WHERE id = $1`, [id])
    const alone = sessions.rotateAlone(from(id))
    await untilWaiting(stores.pool)
    await holder.commit()
    const view = await alone
    if (expected === undefined) t.equal(view, undefined, what)
    else t.match(view, expected, what)
  }
})

t.test('each request of a batch has its own outcome, in whatever company it comes', async (t) => {
  const stores = await openStore(t)
  const { pool, store } = stores
  const good = await Promise.all([sessionIn(stores), sessionIn(stores), sessionIn(stores)])
  const changed = async (change: string) => {
    const id = await sessionIn(stores)
    await pool.query(`UPDATE sessions SET ${change} WHERE id = $1`, [id])
    return id
  }
  const disabled = await accountIn(stores)
  const ofDisabled = await sessionIn(stores, { userId: disabled })
  await pool.query('UPDATE users SET disabled_at = now() WHERE id = $1', [disabled])
  const asked: [string, Rotation, number | undefined][] = [
    ['good', from(good[0] ?? ''), 1],
    ['behind its row', from(await changed('generation = 4'), 3), undefined],
    ['ahead of its row', from(await sessionIn(stores), 5), undefined],
    ['revoked', from(await changed('revoked_at = now()')), undefined],
    ['past its absolute end', from(await changed('expires_at = now()')), undefined],
    [
      'past its idle end',
      from(await changed(`rotated_at = now() - interval '${IDLE_TTL_SECONDS} seconds'`)),
      undefined,
    ],
    ['short of its idle end', from(await changed(`rotated_at = now() - interval '29 days'`)), 1],
    ['one that never rotates', from(await sessionIn(stores, { rotates: false })), undefined],
    ['of a disabled account', from(ofDisabled), undefined],
    ['unknown', from(uuidV7()), undefined],
    ['good, in the middle', from(good[1] ?? ''), 1],
    ['at a high generation', from(await changed('generation = 2147483646'), 2_147_483_646), 2_147_483_647],
    ['good, at the end', from(good[2] ?? ''), 1],
  ]
  const updates = await countUpdates(stores.pool, 'sessions')
  const first = store.sessions.rotate(from(uuidV7()))
  const views = await Promise.all(asked.map(([, rotation]) => store.sessions.rotate(rotation)))
  t.equal(await first, undefined)
  t.equal(await updates(), 2, 'all of them shared one statement')
  for (const [index, [what, { sessionId }, generation]] of asked.entries()) {
    const view = views[index]
    t.equal(view?.session.generation, generation, what)
    if (generation !== undefined) t.equal(view?.session.id, sessionId, `${what}: its own row`)
  }
})

t.test('each row of a batch remembers the digest of its own key', async (t) => {
  const stores = await openStore(t)
  const { sessions } = stores.store
  const [withKey = '', without = '', again = ''] = await Promise.all(
    Array.from({ length: 3 }, () => sessionIn(stores)),
  )
  const bytes = (byte: number) => Buffer.alloc(16, byte)
  const key = (fresh: number, previous: number[]) => ({
    digest: bytes(fresh),
    reusedDigest: bytes(fresh + 100),
    previousDigests: previous.map(bytes),
  })
  await stores.pool.query('UPDATE sessions SET retry_key = $1 WHERE id = $2', [bytes(3), again])
  const first = sessions.rotate(from(uuidV7()))
  const views = await Promise.all([
    sessions.rotate(from(withKey, 0, key(1, [8, 9]))),
    sessions.rotate(from(without)),
    sessions.rotate(from(again, 0, key(2, [7, 3]))),
  ])
  await first
  t.equal(views.filter((view) => view !== undefined).length, 3)
  const kept = await Promise.all([withKey, without, again].map((id) => sessions.find(id)))
  t.same(
    kept.map((view) => view?.session.retryKey),
    [bytes(1), undefined, bytes(102)],
    'a key that made the generation before is kept as one that does not count',
  )
})

t.test('one request of a session is in a batch, the others are judged from what it leaves', async (t) => {
  const stores = await openStore(t)
  const { sessions } = stores.store
  const id = await sessionIn(stores)
  const updates = await countUpdates(stores.pool, 'sessions')
  const views = await Promise.all(Array.from({ length: 100 }, () => sessions.rotate(from(id))))
  t.equal(views.filter((view) => view !== undefined).length, 1)
  t.equal(views.at(0)?.session.generation, 1, 'the first is the one that rotates')
  t.equal(await updates(), 1)
})

t.test('300 rotations that arrive together go in statements of at most 128', async (t) => {
  const stores = await openStore(t)
  const { sessions } = stores.store
  const ids = await sessionsIn(stores, await accountIn(stores), 300)
  const updates = await countUpdates(stores.pool, 'sessions')
  const views = await Promise.all(ids.map((id) => sessions.rotate(from(id))))
  t.same(
    views.map((view) => view?.session.id),
    ids,
  )
  t.equal(await updates(), 4, '1, 128, 128 and 43')
})

t.test('a refresh waits for whoever holds its row for a moment', async (t) => {
  const service = await startApp(t, {}, { patient: true })
  const { refresh } = await signedIn(service)
  const { pool } = service.app.database
  const holder = await beginElsewhere(t, pool, 'SELECT FROM sessions FOR UPDATE')
  let received = 0
  service.app.server.on('request', () => (received += 1))
  const answers = Array.from({ length: 10 }, () => post(`${service.url}/refresh`, { refresh }))
  await untilWaiting(pool)
  await until('all ten are here', () => received >= 10)
  await holder.commit()
  const statuses = (await Promise.all(answers)).map(({ status }) => status)
  t.same(statuses, Array(10).fill(200))
  t.match((await pool.query('SELECT generation FROM sessions')).rows, [{ generation: 1 }])
})

t.test(
  'a row that stays held is a 503 within three seconds, and the token is as good as before',
  async (t) => {
    const service = await startApp(t)
    const { refresh } = await signedIn(service)
    const { pool } = service.app.database
    const holder = await beginElsewhere(t, pool, 'SELECT FROM sessions FOR UPDATE')
    const began = performance.now()
    const answer = await post(`${service.url}/refresh`, { refresh })
    t.match(answer, { status: 503, body: { code: 'unavailable' } })
    t.equal(answer.headers.get('retry-after'), '1')
    t.ok(performance.now() - began < 3000)
    await holder.rollback()
    t.equal((await post(`${service.url}/refresh`, { refresh })).headers.get('keyturn-refresh'), 'rotated')
  },
)

t.test('50 refreshes over two replicas whose commits are slow have one successor', async (t) => {
  const service = await startApp(t, {}, { patient: true })
  const replica = await startApp(t, {}, { beside: service })
  const { refresh } = await signedIn(service)
  const { pool } = service.app.database
  await slowCommits(pool, 'sessions', 100)
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      post(`${(index % 2 === 0 ? service : replica).url}/refresh`, { refresh }),
    ),
  )
  t.same(
    answers.map(({ status }) => status),
    Array(50).fill(200),
  )
  t.equal(new Set(answers.map(({ body }) => body['refresh'])).size, 1)
  t.match((await pool.query('SELECT generation, revoked_at FROM sessions')).rows, [
    { generation: 1, revoked_at: null },
  ])
})

t.test('the sessions of one account rotate at once while all of them are being ended', async (t) => {
  const stores = await openStore(t, { patient: true })
  const { store, pool } = stores
  const userId = await accountIn(stores)
  const ids = await sessionsIn(stores, userId, 60)
  await slowCommits(pool, 'events', 50)
  const caller = { ip: '192.0.2.1', userAgent: '' }
  const rotations = ids.map((id) => store.sessions.rotate(from(id)))
  const ended = store.sessions.revokeAll(userId, 'logout_everywhere', { kind: 'logout_everywhere', caller })
  const alone = ids.map((id) => store.sessions.rotateAlone(from(id, 1)))
  await Promise.all([...rotations, ...alone])
  t.equal((await ended).length, 60, 'none of them waits for another in a circle')
  t.match((await pool.query('SELECT count(*)::int AS n FROM sessions WHERE revoked_at IS NULL')).rows, [
    { n: 0 },
  ])
})
