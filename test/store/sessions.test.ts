import t from 'tap'
import { v7 as uuidV7 } from 'uuid'
import type { SecurityEvent } from '../../src/core/ports.ts'
import type { TestStore } from '../helpers/store.ts'
import {
  accountIn,
  beginElsewhere,
  CALLER,
  HASH,
  loginCounters,
  newSession,
  openStore,
  sessionIn,
  slowCommits,
  untilWaiting,
} from '../helpers/store.ts'
import { until } from '../helpers/until.ts'

const logout: SecurityEvent = { kind: 'logout', caller: CALLER }
const twenty = <T>(call: () => Promise<T>) => Promise.all(Array.from({ length: 20 }, call))

/** A sign-in that has been counted, of the account whose name is `name`. */
async function attemptTo({ store }: TestStore, name: string) {
  return store.accounts.attemptLogin({ usernameKey: name }, loginCounters(), CALLER)
}

async function rowsOf({ pool }: TestStore, sql: string): Promise<unknown[]> {
  return (await pool.query(sql)).rows
}

t.test('a session is created, its attempt refunded and its event recorded, all or nothing', async (t) => {
  const stores = await openStore(t)
  const userId = await accountIn(stores, { usernameKey: 'ada' })
  const { counter } = await attemptTo(stores, 'ada')
  const session = newSession(userId)
  const view = await stores.store.sessions.create(session, HASH, counter)
  t.match(view, { session: { id: session.id, generation: 0 }, account: { id: userId } })
  t.same(await rowsOf(stores, `SELECT count FROM counters`), [{ count: 0 }])
  t.match(await rowsOf(stores, `SELECT * FROM events WHERE kind = 'login'`), [
    { user_id: String(userId), session_id: session.id, ip: CALLER.ip, user_agent: CALLER.userAgent },
  ])
})

for (const [what, change] of [
  ['the hash was replaced', `password_hash = 'another'`],
  ['the account was disabled', 'disabled_at = now()'],
  ['the account was deactivated', 'activated_at = NULL'],
] as const) {
  t.test(`no session is created when ${what} since the password was compared`, async (t) => {
    const stores = await openStore(t, { patient: true })
    const userId = await accountIn(stores, { usernameKey: 'ada' })
    const { counter } = await attemptTo(stores, 'ada')
    const other = await beginElsewhere(t, stores.pool, `UPDATE users SET ${change}`)
    const creating = stores.store.sessions.create(newSession(userId), HASH, counter)
    await untilWaiting(stores.pool)
    await other.commit()
    t.equal(await creating, undefined, 'it waited for the change')
    t.equal(
      await stores.store.sessions.create(newSession(userId), HASH, counter),
      undefined,
      'and afterwards',
    )
    t.same(await rowsOf(stores, 'SELECT FROM sessions'), [])
    t.same(await rowsOf(stores, `SELECT FROM events WHERE kind = 'login'`), [])
    t.same(await rowsOf(stores, 'SELECT count FROM counters'), [{ count: 1 }], 'nothing was refunded')
  })
}

t.test('a change that is rolled back does not stop the sign-in that waited for it', async (t) => {
  const stores = await openStore(t, { patient: true })
  const userId = await accountIn(stores)
  const other = await beginElsewhere(t, stores.pool, `UPDATE users SET password_hash = 'another'`)
  const creating = stores.store.sessions.create(newSession(userId), HASH, 'no counter')
  await untilWaiting(stores.pool)
  await other.rollback()
  t.match(await creating, { account: { id: userId } })
})

t.test('of twenty heals at once exactly one moves the row, and its floor with it', async (t) => {
  const stores = await openStore(t)
  const id = await sessionIn(stores)
  const healed = await twenty(() => stores.store.sessions.heal(id, 0, 5, CALLER))
  t.equal(healed.filter(Boolean).length, 1)
  t.match(await stores.store.sessions.find(id), { session: { generation: 5, floorGeneration: 5 } })
  t.same(await rowsOf(stores, `SELECT session_id FROM events WHERE kind = 'refresh_healed'`), [
    { session_id: id },
  ])
  await stores.store.sessions.revoke(id, 5, 'logout', logout)
  t.equal(await stores.store.sessions.heal(id, 5, 6, CALLER), false, 'and none that is revoked')
})

t.test('of twenty lost answers counted at once exactly one counts', async (t) => {
  const stores = await openStore(t)
  const { sessions } = stores.store
  const id = await sessionIn(stores)
  await sessions.rotate({ sessionId: id, generation: 0, key: undefined })
  const counted = await twenty(() => sessions.countLateReplay(id, 1, CALLER))
  t.equal(counted.filter(Boolean).length, 1)
  t.match(await sessions.find(id), { session: { lateReplays: 1, lateGeneration: 1 } })
  t.equal((await rowsOf(stores, `SELECT FROM events WHERE kind = 'refresh_lost_answer'`)).length, 1)
  t.equal(await sessions.countLateReplay(id, 0, CALLER), false, 'the row has moved on')

  await sessions.rotate({ sessionId: id, generation: 1, key: undefined })
  t.match(await sessions.find(id), { session: { generation: 2, lateReplays: 1 } })
  t.equal(await sessions.countLateReplay(id, 2, CALLER), true, 'the next generation counts again')
  await sessions.rotate({ sessionId: id, generation: 2, key: undefined })
  await sessions.rotate({ sessionId: id, generation: 3, key: undefined })
  t.match(
    await sessions.find(id),
    { session: { generation: 4, lateReplays: 0 } },
    'a generation whose answer was not lost begins anew',
  )
})

t.test(
  'of twenty revocations at once exactly one is true, and only while the row has not moved on',
  async (t) => {
    const stores = await openStore(t)
    const { sessions } = stores.store
    const id = await sessionIn(stores)
    t.equal(await sessions.revoke(id, 1, 'theft', logout), false, 'at another generation nothing happens')
    t.same(await rowsOf(stores, `SELECT FROM events WHERE kind = 'logout'`), [], 'and nothing is recorded')
    const revoked = await twenty(() => sessions.revoke(id, 0, 'theft', { ...logout, reason: 'by test' }))
    t.equal(revoked.filter(Boolean).length, 1)
    t.equal(await sessions.revoke(id, undefined, 'logout', logout), false, 'it was revoked before')
    t.match(await rowsOf(stores, 'SELECT revoked_reason FROM sessions'), [{ revoked_reason: 'theft' }])
    t.match(await rowsOf(stores, `SELECT session_id, reason FROM events WHERE kind = 'logout'`), [
      { session_id: id, reason: 'by test' },
    ])
    t.equal(await sessions.revoke(uuidV7(), undefined, 'logout', logout), false, 'nor is one that is unknown')
  },
)

t.test('a rotation and a revocation of the same generation exclude each other', async (t) => {
  const stores = await openStore(t)
  const { sessions } = stores.store
  for (let round = 0; round < 20; round += 1) {
    const id = await sessionIn(stores)
    const [rotated, revoked] = await Promise.all([
      sessions.rotateAlone({ sessionId: id, generation: 0, key: undefined }),
      sessions.revoke(id, 0, 'theft', logout),
    ])
    t.not(rotated !== undefined, revoked, 'exactly one of them happened')
  }
})

t.test(
  'ending every session takes with it the sign-in that is under way, and no other account',
  async (t) => {
    const stores = await openStore(t, { patient: true })
    const { sessions } = stores.store
    const [userId, other] = [await accountIn(stores), await accountIn(stores)]
    const [first, dead, others] = await Promise.all([
      sessionIn(stores, { userId }),
      sessionIn(stores, { userId }),
      sessionIn(stores, { userId: other }),
    ])
    await sessions.revoke(dead, undefined, 'logout', logout)
    await slowCommits(stores.pool, 'sessions', 200)
    const late = newSession(userId)
    const signingIn = sessions.create(late, HASH, 'no counter')
    const dawdling = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`
    await until(
      'its row is written and its commit under way',
      async () => (await rowsOf(stores, dawdling)).length > 0,
    )
    const event: SecurityEvent = { kind: 'logout_everywhere', caller: CALLER, sessionId: first }
    const ended = await sessions.revokeAll(userId, 'logout_everywhere', event)
    t.ok(await signingIn, 'the sign-in was first')
    t.same(ended.toSorted(), [first, late.id].toSorted(), 'the ids are those that lived')
    t.same(await rowsOf(stores, 'SELECT id FROM sessions WHERE revoked_at IS NULL'), [{ id: others }])
    t.match(
      await rowsOf(
        stores,
        `SELECT user_id, session_id, ip, user_agent FROM events WHERE kind = 'logout_everywhere'`,
      ),
      [{ user_id: String(userId), session_id: first, ip: CALLER.ip, user_agent: CALLER.userAgent }],
    )
    t.same(
      await sessions.revokeAll(userId, 'logout_everywhere', event),
      [],
      'once more there is nothing left',
    )
    t.equal(stores.database.pool.idleCount, stores.database.pool.totalCount, 'every connection is back')
  },
)

t.test('a session of an account that is gone is found no more', async (t) => {
  const stores = await openStore(t)
  const id = await sessionIn(stores)
  t.ok(await stores.store.sessions.find(id))
  await stores.pool.query('DELETE FROM users')
  t.equal(await stores.store.sessions.find(id), undefined)
})
