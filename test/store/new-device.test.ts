import t from 'tap'
import { v7 as uuidV7 } from 'uuid'
import type { PasswordHash } from '../../src/core/ports.ts'
import { outboxWorld } from '../helpers/outbox.ts'
import type { Teardown } from '../helpers/postgres.ts'

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0'
const HASH = 'none$' as PasswordHash

t.test(
  'a device is its User-Agent and its address, of which IPv6 changes the lower half at will',
  async (t) => {
    const { signIn, letters } = await world(t)
    await signIn('2001:db8:1:2::1')
    for (const [ip, userAgent, isNew] of [
      ['2001:db8:1:2:ffff::9', FIREFOX, false],
      ['2001:db8:1:3::1', FIREFOX, true],
      ['2001:db8:1:3::2', FIREFOX, false],
      ['192.0.2.1', FIREFOX, true],
      ['192.0.2.1', FIREFOX, false],
      ['192.0.2.2', FIREFOX, true],
    ] as const) {
      const before = (await letters()).length
      await signIn(ip, userAgent)
      t.equal((await letters()).length - before, isNew ? 1 : 0, `${ip} ${userAgent}`)
    }
    t.strictSame((await letters())[0], { label: 'Firefox on Linux', ip: '2001:db8:1:3::1' })
  },
)

t.test('an account that slept until its sessions were cleared away is told of the next one', async (t) => {
  const { signIn, letters, pool } = await world(t)
  await signIn('192.0.2.1')
  t.strictSame(await letters(), [])
  await pool.query('DELETE FROM sessions')
  await signIn('192.0.2.1')
  t.equal((await letters()).length, 1)
})

t.test('a sign-in that came to nothing is no sign-in on a new device', async (t) => {
  const { signIn, letters } = await world(t)
  await signIn('192.0.2.1')
  t.equal(await signIn('192.0.2.9', FIREFOX, 'other$' as PasswordHash), undefined)
  t.strictSame(await letters(), [])
})

t.test('no letter is asked for where there is no confirmed address to send it to', async (t) => {
  for (const without of ["email = '', email_key = ''", 'email_verified_at = NULL']) {
    const { signIn, letters, pool } = await world(t)
    await signIn('192.0.2.1')
    await pool.query(`UPDATE users SET ${without}`)
    await signIn('192.0.2.2')
    t.strictSame(await letters(), [], without)
  }
})

t.test('a session bears the name of its device', async (t) => {
  const { signIn, signUp, store, pool } = await world(t)
  await signIn('192.0.2.1', 'okhttp/4.12.0')
  const { id } = await signUp('eve')
  await pool.query('UPDATE users SET activated_at = now()')
  await store.sessions.createFirst(sessionOf(id, '192.0.2.1', FIREFOX))
  const { rows } = await pool.query('SELECT label FROM sessions ORDER BY id')
  t.strictSame(
    rows.map(({ label }) => label),
    ['App on Android', 'Firefox on Linux'],
  )
})

function sessionOf(userId: number, ip: string, userAgent: string) {
  return { id: uuidV7(), userId, rotates: true, ttlSeconds: 3600, caller: { ip, userAgent } }
}

/** One account with a confirmed address. */
async function world(t: Teardown) {
  const { store, pool, signUp } = await outboxWorld(t)
  const { id } = await signUp('ada')
  await pool.query('UPDATE users SET activated_at = now(), email_verified_at = now()')
  return {
    store,
    pool,
    signUp,
    signIn: (ip: string, userAgent = FIREFOX, boughtWith = HASH) =>
      store.sessions.create(sessionOf(id, ip, userAgent), boughtWith, 'no counter'),
    /** The facts of the letters about new devices, oldest first. */
    async letters() {
      const { rows } = await pool.query("SELECT facts FROM outbox WHERE kind = 'new_device' ORDER BY id")
      return rows.map(({ facts }) => facts)
    },
  }
}
