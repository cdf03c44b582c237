import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { Tokens } from '../helpers/accounts.ts'
import { register, signedIn, signIn, tokensOf } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import type { Answer } from '../helpers/client.ts'
import { get, post } from '../helpers/client.ts'
import { countUpdates } from '../helpers/store.ts'
import { until } from '../helpers/until.ts'

/** Refreshes, with an Idempotency-Key where one is given. */
function refresh(service: TestApp, token: string, key?: string): Promise<Answer> {
  return post(
    `${service.url}/refresh`,
    { refresh: token },
    key === undefined ? {} : { headers: { 'idempotency-key': key } },
  )
}

/** Makes the last rotation so old that the grace is over, as if time had passed in the database. */
async function age(service: TestApp, seconds: number): Promise<void> {
  await service.app.database.pool.query(
    'UPDATE sessions SET rotated_at = rotated_at - make_interval(secs => $1)',
    [seconds],
  )
}

/** Until the note of a seen generation has been written. */
async function untilSeen(service: TestApp, generation: number): Promise<void> {
  await until(`generation ${generation} is noted`, async () => {
    const { rows } = await service.app.database.pool.query<{ seen: number }>(
      'SELECT max(seen_generation) AS seen FROM sessions',
    )
    return (rows[0]?.seen ?? -1) >= generation
  })
}

const outcomeOf = (answer: Answer) => answer.headers.get('keyturn-refresh')

t.test('a lost answer inside the grace is made again, to the byte', async (t) => {
  const service = await startApp(t)
  const first = await signedIn(service)
  const lost = tokensOf(await refresh(service, first.refresh))
  const again = await refresh(service, first.refresh)
  t.equal(outcomeOf(again), 'replayed')
  t.equal(tokensOf(again).refresh, lost.refresh)
})

t.test('days later a lost answer is made again by its Idempotency-Key, seen or not', async (t) => {
  const service = await startApp(t)
  const first = await signedIn(service)
  const key = randomUUID()
  const lost = tokensOf(await refresh(service, first.refresh, key))
  await get(`${service.url}/check-auth-status`, lost.access)
  await untilSeen(service, 1)
  await age(service, 3 * 24 * 3600)
  const again = await refresh(service, first.refresh, key)
  t.equal(outcomeOf(again), 'lost-answer')
  t.equal(tokensOf(again).refresh, lost.refresh)
})

t.test('a key that is used for one refresh after another counts as none', async (t) => {
  const service = await startApp(t)
  const key = randomUUID()
  let tokens: Tokens = await signedIn(service)
  const chain = [tokens]
  for (let round = 0; round < 4; round += 1) {
    tokens = tokensOf(await refresh(service, tokens.refresh, key))
    chain.push(tokens)
  }
  await get(`${service.url}/check-auth-status`, tokens.access)
  await untilSeen(service, 4)
  await age(service, 60)
  t.match(await refresh(service, chain.at(-2)?.refresh ?? '', key), {
    status: 401,
    body: { code: 'refresh_replayed' },
  })
})

t.test('without a key a lost answer is believed until its successor has been seen', async (t) => {
  const service = await startApp(t)
  const first = await signedIn(service)
  const lost = tokensOf(await refresh(service, first.refresh))
  await age(service, 60)
  t.equal(outcomeOf(await refresh(service, first.refresh)), 'lost-answer')
  await get(`${service.url}/check-auth-status`, lost.access)
  await untilSeen(service, 1)
  const thief = await refresh(service, first.refresh)
  t.match(thief, { status: 401, body: { code: 'refresh_replayed' } })
  t.match(await refresh(service, lost.refresh), { status: 401, body: { code: 'session_revoked' } })
})

t.test('five lost answers running are not believed without a key', async (t) => {
  const service = await startApp(t)
  let { refresh: token } = await signedIn(service)
  for (let round = 0; round < 4; round += 1) {
    const lost = tokensOf(await refresh(service, token))
    await age(service, 60)
    t.equal(outcomeOf(await refresh(service, token)), 'lost-answer')
    t.equal(
      outcomeOf(await refresh(service, token)),
      'lost-answer',
      'once more for the same answer is not counted',
    )
    token = lost.refresh
  }
  await refresh(service, token)
  await age(service, 60)
  t.match(await refresh(service, token), { status: 401, body: { code: 'refresh_replayed' } })
})

t.test('with REFRESH_REPLAY=strict nothing is believed after the grace', async (t) => {
  const service = await startApp(t, { REFRESH_REPLAY: 'strict' })
  const first = await signedIn(service)
  const key = randomUUID()
  await refresh(service, first.refresh, key)
  t.equal(outcomeOf(await refresh(service, first.refresh, key)), 'replayed', 'inside the grace it is')
  await age(service, 60)
  t.match(await refresh(service, first.refresh, key), { status: 401, body: { code: 'refresh_replayed' } })
})

t.test(
  'a token ahead of its row heals the session, and tokens from before are not answered again',
  async (t) => {
    const service = await startApp(t)
    const first = await signedIn(service)
    const second = tokensOf(await refresh(service, first.refresh))
    const third = tokensOf(await refresh(service, second.refresh))
    await service.app.database.pool.query('UPDATE sessions SET generation = 0')
    const healed = await refresh(service, third.refresh)
    t.equal(outcomeOf(healed), 'healed')
    const { rows } = await service.app.database.pool.query(
      'SELECT generation, floor_generation FROM sessions',
    )
    t.same(rows, [{ generation: 3, floor_generation: 2 }])
    const overtaken = await refresh(service, second.refresh)
    t.match(
      overtaken,
      { status: 409, body: { code: 'refresh_overtaken' } },
      'below the floor: no token, and no theft',
    )
    t.equal((await refresh(service, tokensOf(healed).refresh)).status, 200, 'the session lives')
    await age(service, 60)
    t.match(await refresh(service, second.refresh), { status: 401, body: { code: 'refresh_replayed' } })
  },
)

t.test('a session that does not rotate keeps its refresh token', async (t) => {
  const service = await startApp(t)
  const first = await signedIn(service)
  await service.app.database.pool.query('UPDATE sessions SET rotates = false')
  await age(service, 60 * 24 * 3600)
  const kept = await refresh(service, first.refresh)
  t.equal(outcomeOf(kept), 'kept')
  t.equal(tokensOf(kept).refresh, first.refresh)
})

t.test('a session ends by its absolute life, by its idle life, and with its user', async (t) => {
  const service = await startApp(t)
  const end = async (change: string) => {
    const { refresh: token } = await signedIn(service)
    await service.app.database.pool.query(change)
    return (await refresh(service, token)).body['code']
  }
  t.equal(await end(`UPDATE sessions SET expires_at = now()`), 'refresh_expired')
  t.equal(await end(`UPDATE sessions SET rotated_at = now() - interval '30 days'`), 'refresh_expired')
  t.equal(await end(`UPDATE users SET disabled_at = now()`), 'session_revoked')
  t.equal(await end(`DELETE FROM users`), 'refresh_invalid')
})

t.test('the theft is committed although the request is refused', async (t) => {
  const service = await startApp(t)
  const first = await signedIn(service)
  const second = tokensOf(await refresh(service, first.refresh))
  const third = tokensOf(await refresh(service, second.refresh))
  await age(service, 60)
  t.equal((await refresh(service, first.refresh)).status, 401)
  for (const { access, refresh: token } of [second, third]) {
    t.match(
      await refresh(service, token),
      { status: 401, body: { code: 'session_revoked' } },
      'whoever has it',
    )
    t.equal((await get(`${service.url}/check-auth-status`, access)).status, 401)
  }
  const { rows } = await service.app.database.pool.query(
    `SELECT s.revoked_reason, e.kind FROM sessions s JOIN events e ON e.session_id = s.id AND e.kind = 'refresh_theft'`,
  )
  t.same(rows, [{ revoked_reason: 'theft', kind: 'refresh_theft' }])
})

t.test('a theft in one session leaves the others of the account alone', async (t) => {
  const service = await startApp(t)
  const person = await register(service)
  const [stolen, other] = [await signIn(service, person), await signIn(service, person)]
  const second = tokensOf(await refresh(service, stolen.refresh))
  await refresh(service, second.refresh)
  await age(service, 60)
  t.equal((await refresh(service, stolen.refresh)).status, 401)
  t.equal((await refresh(service, other.refresh)).status, 200)
})

t.test('garbage never reaches the database', async (t) => {
  const service = await startApp(t)
  const { refresh: token } = await signedIn(service)
  const updates = await countUpdates(service.app.database.pool, 'sessions')
  for (const bad of [
    token.slice(0, -1),
    `${token}x`,
    token.replace('ktr_', 'ktr-'),
    `${token.slice(0, -1)}!`,
    'ktr_',
  ]) {
    t.match(await refresh(service, bad), { status: 401, body: { code: 'refresh_invalid' } })
  }
  t.equal(await updates(), 0)
  t.equal((await refresh(service, token)).status, 200)
  t.equal(await updates(), 1, 'and a good one is one statement')
})

t.test('an Idempotency-Key of another form is a field error', async (t) => {
  const service = await startApp(t)
  const { refresh: token } = await signedIn(service)
  for (const key of ['short', 'x'.repeat(129), 'with a space in its midst']) {
    t.match(await refresh(service, token, key), {
      status: 400,
      body: { errors: { 'Idempotency-Key': [/16 to 128/] } },
    })
  }
})

t.test('refreshing is limited per session, and only by the bearer of a genuine token', async (t) => {
  const service = await startApp(t, { RATE_LIMIT: 'on' })
  let { refresh: token } = await signedIn(service)
  for (let round = 0; round < 60; round += 1) token = tokensOf(await refresh(service, token)).refresh
  const limited = await refresh(service, token)
  t.match(limited, { status: 429, body: { code: 'rate_limited' } })
  t.match(limited.headers.get('retry-after'), /^\d+$/)
})
