import t from 'tap'
import type { LetterCounter, PasswordHash } from '../../src/core/ports.ts'
import { admitRequests } from '../../src/store/letter-requests.ts'
import type { TestStore } from '../helpers/store.ts'
import {
  accountIn,
  CALLER,
  HASH,
  loginCounters,
  newAccount,
  newSession,
  openStore,
} from '../helpers/store.ts'

const LETTERS = 'letters:of a test' as LetterCounter
const OTHER_LETTERS = 'letters:of another' as LetterCounter
const twenty = <T>(call: (index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: 20 }, (_, index) => call(index)))

async function rowsOf({ pool }: Pick<TestStore, 'pool'>, sql: string): Promise<unknown[]> {
  return (await pool.query(sql)).rows
}

t.test(
  'of twenty accounts created at once with one name exactly one is, with all that belongs to it',
  async (t) => {
    const stores = await openStore(t)
    const created = await twenty((index) =>
      stores.store.accounts.create(
        newAccount({ usernameKey: 'ada', emailVerified: false, emailKey: `${index}@example.org` }),
        LETTERS,
        CALLER,
      ),
    )
    t.equal(created.filter((account) => account === 'username_taken').length, 19)
    t.match(await rowsOf(stores, 'SELECT kind, ip FROM events'), [{ kind: 'registered', ip: CALLER.ip }])
    t.match(await rowsOf(stores, 'SELECT kind FROM outbox'), [{ kind: 'verification' }])
    t.same(await rowsOf(stores, 'SELECT count FROM counters'), [{ count: 1 }], 'the refused cost no letter')
  },
)

t.test('an address is taken only by who verified it, and only for who claims to have', async (t) => {
  const stores = await openStore(t)
  const { accounts } = stores.store
  const create = (emailVerified: boolean, emailKey = 'ada@example.org') =>
    accounts.create(newAccount({ emailKey, emailVerified }), undefined, CALLER)
  await twenty(() => create(false))
  t.equal((await rowsOf(stores, 'SELECT FROM users')).length, 20, 'before, whoever likes names it')
  const claimed = await twenty(() => create(true))
  t.equal(claimed.filter((account) => account === 'email_taken').length, 19)
  t.match(await create(false), { emailVerified: false }, 'afterwards too, without a claim')
  await Promise.all([create(true, ''), create(true, '')])
  t.match(await create(true, ''), { emailVerified: true }, 'having no address is no claim')
})

t.test('a letter too many in the hour is not written, and the account is all the same', async (t) => {
  const stores = await openStore(t)
  const { accounts } = stores.store
  await twenty(() => accounts.create(newAccount({ emailVerified: false }), LETTERS, CALLER))
  t.equal((await rowsOf(stores, 'SELECT FROM users')).length, 20)
  t.equal((await rowsOf(stores, 'SELECT FROM outbox')).length, 3)
  await stores.pool.query(`UPDATE counters SET window_ends_at = now() - interval '1 second'`)
  const userId = await accountIn(stores, { emailKey: 'late@example.org', emailVerified: false })
  await twenty(() => accounts.requestVerification('nobody@example.org', LETTERS, CALLER))
  await twenty(() => accounts.requestVerification('late@example.org', OTHER_LETTERS, CALLER))
  await twenty(() => admitRequests(stores.database.pool))
  t.same(await rowsOf(stores, `SELECT count(*)::int AS letters FROM outbox WHERE user_id = ${userId}`), [
    { letters: 3 },
  ])
  t.equal((await rowsOf(stores, 'SELECT FROM outbox')).length, 6, 'and none for an address that nobody has')
  t.same(
    await rowsOf(
      stores,
      `SELECT count(*)::int AS n, min(host(ip)) AS ip FROM events WHERE kind = 'verification_requested' AND user_id = ${userId}`,
    ),
    [{ n: 20, ip: CALLER.ip }],
    'each time it was asked for is recorded',
  )
})

t.test('of twenty uses of one verification at once exactly one succeeds', async (t) => {
  const stores = await openStore(t)
  const userId = await accountIn(stores, {
    emailKey: 'ada@example.org',
    emailVerified: false,
    activated: false,
  })
  const { accounts } = stores.store
  t.equal(await accounts.verifyEmail(userId, 'other@example.org', CALLER), false, 'the address has changed')
  const verified = await twenty(() => accounts.verifyEmail(userId, 'ada@example.org', CALLER))
  t.equal(verified.filter(Boolean).length, 1)
  t.match((await accounts.findForLink(userId))?.account, { emailVerified: true, activated: true })
  t.match(await rowsOf(stores, `SELECT user_id FROM events WHERE kind = 'email_verified'`), [
    { user_id: String(userId) },
  ])
})

t.test('of twenty accounts that verify one address at once exactly one owns it', async (t) => {
  const stores = await openStore(t)
  const ids = await twenty(() =>
    accountIn(stores, { emailKey: 'ada@example.org', emailVerified: false, activated: false }),
  )
  const { accounts } = stores.store
  const verified = await Promise.all(ids.map((id) => accounts.verifyEmail(id, 'ada@example.org', CALLER)))
  t.equal(verified.filter(Boolean).length, 1)
  const owner = ids[verified.indexOf(true)]
  t.same(await rowsOf(stores, 'SELECT id FROM users WHERE email_verified_at IS NOT NULL'), [
    { id: String(owner) },
  ])
  t.equal((await rowsOf(stores, `SELECT FROM events WHERE kind = 'email_verified'`)).length, 1)
  t.equal((await rowsOf(stores, 'SELECT FROM users WHERE activated_at IS NOT NULL')).length, 1)
  t.equal(await accounts.verifyEmail(ids.at(-1) ?? 0, 'ada@example.org', CALLER), false, 'nor does one later')
})

t.test('a hash is replaced only while it is the one that was read', async (t) => {
  const stores = await openStore(t)
  const userId = await accountIn(stores)
  const { accounts } = stores.store
  const replaced = await twenty((index) => accounts.replaceHash(userId, HASH, `h${index}` as PasswordHash))
  t.equal(replaced.filter(Boolean).length, 1)
  t.same(await rowsOf(stores, 'SELECT password_hash FROM users'), [
    { password_hash: `h${replaced.indexOf(true)}` },
  ])
})

t.test('an attempt goes to the verified account of an address, else to the newest', async (t) => {
  const stores = await openStore(t)
  const { accounts } = stores.store
  const emailKey = 'ada@example.org'
  const attempt = () => accounts.attemptLogin({ emailKey }, loginCounters(), CALLER)
  t.equal((await attempt()).account, undefined)
  const older = await accountIn(stores, { emailKey, emailVerified: false })
  const newer = await accountIn(stores, { emailKey, emailVerified: false })
  t.equal((await attempt()).account?.id, newer)
  await accounts.verifyEmail(older, emailKey, CALLER)
  await accountIn(stores, { emailKey, emailVerified: false })
  t.equal((await attempt()).account?.id, older)
  await accountIn(stores, { emailKey: '' })
  const nameless = await accounts.attemptLogin({ emailKey: '' }, loginCounters(), CALLER)
  t.equal(nameless.account, undefined, 'and an empty address is nobody’s')
})

t.test(
  'attempts are counted before they are judged, apart for a device, and begin anew with the window',
  async (t) => {
    const stores = await openStore(t)
    const { accounts, sessions } = stores.store
    const userId = await accountIn(stores, { usernameKey: 'ada' })
    const names = loginCounters()
    const attempt = (usernameKey = 'ada', caller = CALLER) =>
      accounts.attemptLogin({ usernameKey }, names, caller)
    const counted = await twenty(() => attempt())
    t.same(
      counted.map(({ attempts }) => attempts).toSorted((a, b) => a - b),
      Array.from({ length: 20 }, (_, index) => index + 1),
    )
    t.equal((await attempt('nobody')).attempts, 1)
    const [{ counter = '' } = {}] = counted
    await twenty(() => accounts.refundLogin(counter))
    await accounts.refundLogin(counter)
    const next = await attempt()
    t.equal(next.attempts, 1, 'never below none')
    t.ok(next.windowEndsInSeconds > 14 * 60 && next.windowEndsInSeconds <= 15 * 60)
    await attempt()
    await stores.pool.query(`UPDATE counters SET window_ends_at = now() + interval '0.1 seconds'`)
    t.equal((await attempt()).windowEndsInSeconds, 1, 'at least one')
    await stores.pool.query(`UPDATE counters SET window_ends_at = now() - interval '1 second'`)
    t.equal((await attempt()).attempts, 1)

    await sessions.create(newSession(userId), HASH, 'no counter')
    t.equal((await attempt()).attempts, 1, 'a device that has signed in has a counter of its own')
    t.equal((await attempt('ada', { ...CALLER, userAgent: 'another' })).attempts, 2)
    t.equal((await attempt('ada', { ...CALLER, ip: '192.0.2.2' })).attempts, 3)
    t.equal(
      (await rowsOf(stores, `SELECT FROM counters WHERE key LIKE '%nobody%'`)).length,
      0,
      'no name is kept',
    )
  },
)
