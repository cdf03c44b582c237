import t from 'tap'
import { createSweep } from '../../src/store/sweep.ts'
import { somebody } from '../helpers/accounts.ts'
import { get, post, send, text } from '../helpers/client.ts'
import { startAll, tokenHeader } from './helpers.ts'

const DAY = 24 * 3600

function claimsIn(token: string): { iat: number; exp: number; sid: string } {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
}

t.test(
  'the one token of a dialect lives exactly as long as its session, which is as long as its setting',
  async (t) => {
    const service = await startAll(t, { AUTHTOKEN_TTL: '30d', SIGNUP_TTL: '24h', KNOX_TTL: '10h' })
    const { username, email, password } = somebody()
    await post(`${service.url}/api/auth/register`, { username, email, password })
    for (const [path, seconds] of [
      ['/api/auth/login', 30 * DAY],
      ['/auth/login', DAY],
      ['/knox/login', 10 * 3600],
    ] as const) {
      const { iat, exp, sid } = claimsIn(
        text(await post(service.url + path, { username, password }), 'token'),
      )
      t.equal(exp - iat, seconds, path)
      const { rows } = await service.app.database.pool.query(
        'SELECT extract(epoch FROM expires_at - created_at)::integer AS life, rotates FROM sessions WHERE id = $1',
        [sid],
      )
      t.same(rows, [{ life: seconds, rotates: false }], path)
    }
  },
)

t.test('a token is good until its last second and no longer, by the clock of the service', async (t) => {
  let late = 0
  const world = { now: () => Date.now() + late, random: Math.random }
  const service = await startAll(t, { AUTHTOKEN_TTL: '30d' }, { world })
  const { username, email, password } = somebody()
  const registered = await post(`${service.url}/api/auth/register`, { username, email, password })
  const token = text(registered, 'token')
  const isGood = async () => (await get(`${service.url}/check-auth-status`, token)).status === 200
  for (const day of [1, 7, 29]) {
    late = day * DAY * 1000
    t.ok(await isGood(), `day ${day}`)
  }
  late = 30 * DAY * 1000 - 60_000
  t.ok(await isGood(), 'the last minute')
  late = 30 * DAY * 1000
  t.notOk(await isGood(), 'day 30')
})

t.test(
  'a token that was signed out weeks ago stays dead, on a replica that has just started, too',
  async (t) => {
    const service = await startAll(t, { AUTHTOKEN_TTL: '90d' })
    const { username, email, password } = somebody()
    await post(`${service.url}/api/auth/register`, { username, email, password })
    const login = () => post(`${service.url}/api/auth/login`, { username, password })
    const dead = text(await login(), 'token')
    const alive = text(await login(), 'token')
    const headers = tokenHeader(dead)
    t.equal((await send('POST', `${service.url}/api/auth/logout`, {}, { headers })).status, 200)

    const { database } = service.app
    await database.pool.query(
      `UPDATE sessions SET revoked_at = revoked_at - interval '80 days' WHERE revoked_at IS NOT NULL`,
    )
    const sweep = createSweep(database, { ...service.config, accessTtlSeconds: 90 * DAY })
    await sweep.round()
    const replica = await startAll(t, { AUTHTOKEN_TTL: '90d' }, { beside: service })
    t.equal((await get(`${replica.url}/check-auth-status`, dead)).status, 401)
    t.equal((await get(`${replica.url}/check-auth-status`, alive)).status, 200)

    await database.pool.query(
      `UPDATE sessions SET revoked_at = revoked_at - interval '12 days' WHERE revoked_at IS NOT NULL`,
    )
    t.match(await sweep.round(), { revoked_sessions: 1 }, 'past the life of any token it is swept')
  },
)

t.test(
  'a token of a longer life than any that is mounted now is refused: its revocation may be forgotten',
  async (t) => {
    const service = await startAll(t, { AUTHTOKEN_TTL: '60d' })
    const { username, email, password } = somebody()
    const registered = await post(`${service.url}/api/auth/register`, { username, email, password })
    const shorter = await startAll(t, { AUTHTOKEN_TTL: '30d' }, { beside: service })
    t.equal((await get(`${service.url}/check-auth-status`, text(registered, 'token'))).status, 200)
    t.equal((await get(`${shorter.url}/check-auth-status`, text(registered, 'token'))).status, 401)
  },
)
