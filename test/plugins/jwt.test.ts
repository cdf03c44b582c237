import { createSecretKey, randomBytes, randomUUID } from 'node:crypto'
import { decodeProtectedHeader, jwtVerify } from 'jose'
import type { Test } from 'tap'
import t from 'tap'
import { register, signedIn, signIn, somebody, tokensOf, verificationToken } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp, TEST_SECRETS } from '../helpers/app.ts'
import { bearer, get, post } from '../helpers/client.ts'

const { JWT_SECRETS: JWT1, SERVER_SECRETS: SERVER1 } = TEST_SECRETS
const newSecret = (kid: string) => `${kid}:${randomBytes(32).toString('base64url')}`
const JWT2 = newSecret('jwt2')
const SERVER2 = newSecret('srv2')

const status = async (service: TestApp, access: string) =>
  (await get(`${service.url}/check-auth-status`, access)).status

/** A replica whose secrets are these, beside the one whose are those of every test. */
const beside = (t: Test, service: TestApp, settings: Record<string, string>) =>
  startApp(t, settings, { beside: service })

const refresh = (service: TestApp, token: string, key?: string) =>
  post(
    `${service.url}/refresh`,
    { refresh: token },
    { headers: key === undefined ? {} : { 'idempotency-key': key } },
  )

const outcomeOf = ({ headers }: { headers: Headers }) => headers.get('keyturn-refresh')

t.test('the first secret signs, all of them verify, and one that was removed is refused', async (t) => {
  const before = await startApp(t)
  const person = await register(before)
  const during = await beside(t, before, { JWT_SECRETS: `${JWT2},${JWT1}` })
  const after = await beside(t, before, { JWT_SECRETS: JWT2 })
  const [old, young] = [await signIn(before, person), await signIn(during, person)]
  t.match(decodeProtectedHeader(old.access), { alg: 'HS256', typ: 'at+jwt', kid: 'jwt1' })
  t.match(decodeProtectedHeader(young.access), { alg: 'HS256', typ: 'at+jwt', kid: 'jwt2' })
  t.same([await status(during, old.access), await status(during, young.access)], [200, 200])
  t.same([await status(after, old.access), await status(after, young.access)], [401, 200])
  t.equal(await status(before, young.access), 401, 'nor is one that is not known yet')
})

t.test('a token is verified with the secret that its kid names, and with no other', async (t) => {
  const service = await startApp(t, { JWT_SECRETS: `${JWT2},${JWT1}` })
  const { access } = await signedIn(service)
  const secret = createSecretKey(Buffer.from(JWT2.slice('jwt2:'.length), 'base64url'))
  t.ok(await jwtVerify(access, secret, { typ: 'at+jwt', algorithms: ['HS256'] }))
  const [, payload, signature] = access.split('.')
  const renamed = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'at+jwt', kid: 'jwt1' })).toString(
    'base64url',
  )
  t.equal(await status(service, `${renamed}.${payload}.${signature}`), 401)
  t.notOk(service.app.jwtSigner.verify(`${renamed}.${payload}.${signature}`))
})

t.test('what is signed is verified again, whatever characters its claims hold', async (t) => {
  const service = await startApp(t)
  const names = ['Zoë', 'Żółć', 'Ада', '李小龍', '👩‍👩‍👧', '"quoted\\"', '<script>']
  for (const name of names) {
    const person = somebody()
    const registered = await post(`${service.url}/register`, { ...person, first_name: name, last_name: name })
    t.equal(registered.status, 201, name)
    await post(`${service.url}/verify-email`, { token: await verificationToken(service, person.email) })
    const { access } = await signIn(service, person)
    t.equal(await status(service, access), 200, name)
    const [, payload = ''] = access.split('.')
    t.match(JSON.parse(Buffer.from(payload, 'base64url').toString()), { first_name: name, last_name: name })
  }
})

t.test('a rotation of the server secrets ends nothing while the old one is kept', async (t) => {
  const before = await startApp(t)
  const person = await register(before)
  const tokens = await signIn(before, person)
  const late = somebody()
  await post(`${before.url}/register`, { ...late })
  const token = await verificationToken(before, late.email)
  const during = await beside(t, before, { SERVER_SECRETS: `${SERVER2},${SERVER1}` })
  t.equal(await status(during, tokens.access), 200, 'its own claim is under the old one')
  const next = await refresh(during, tokens.refresh)
  t.equal(outcomeOf(next), 'rotated')
  t.equal(await status(during, tokensOf(next).access), 200)
  t.equal(outcomeOf(await refresh(during, tokensOf(next).refresh)), 'rotated', 'and so is what follows')
  t.equal(outcomeOf(await refresh(during, tokens.refresh)), 'replayed', 'also one that comes once more')

  t.equal((await post(`${during.url}/verify-email`, { token })).status, 200, 'a letter that is on its way')

  const again = await signIn(before, person)
  const out = await post(`${during.url}/logout`, { refresh: again.refresh })
  t.equal(out.status, 200)
  t.equal((await refresh(during, again.refresh)).body['code'], 'session_revoked')
})

t.test('when the old server secret is gone so is what it made', async (t) => {
  const before = await startApp(t)
  const person = await register(before)
  const tokens = await signIn(before, person)
  const after = await beside(t, before, { SERVER_SECRETS: SERVER2 })
  t.equal(await status(after, tokens.access), 401, 'although the shared secret is the same')
  t.match(await refresh(after, tokens.refresh), { status: 401, body: { code: 'refresh_invalid' } })
  t.equal((await post(`${after.url}/logoutall`, {}, { headers: bearer(tokens.access) })).status, 401)
  t.ok(await signIn(after, person), 'the password is as good as before')
})

/** As if the answer had been lost and the phone had come back days later, its successor long since seen. */
async function daysLater({ app }: TestApp): Promise<void> {
  await app.database.pool.query(
    `UPDATE sessions SET rotated_at = rotated_at - interval '3 days', seen_generation = generation`,
  )
}

t.test('an Idempotency-Key answers a retry also across a rotation of the server secrets', async (t) => {
  const before = await startApp(t)
  const first = await signedIn(before)
  const during = await beside(t, before, { SERVER_SECRETS: `${SERVER2},${SERVER1}` })
  const key = randomUUID()
  const lost = tokensOf(await refresh(before, first.refresh, key))
  await daysLater(before)
  const again = await refresh(during, first.refresh, key)
  t.equal(outcomeOf(again), 'lost-answer')
  t.equal(await status(during, tokensOf(again).access), 200)
  t.not(tokensOf(again).refresh, lost.refresh, 'signed anew')
  t.equal(outcomeOf(await refresh(during, tokensOf(again).refresh)), 'rotated')
  t.equal(
    outcomeOf(await refresh(during, lost.refresh)),
    'replayed',
    'and the lost one is the same generation',
  )
})

t.test(
  'a retry at a replica that has not got the new secret yet is answered by the key all the same',
  async (t) => {
    const before = await startApp(t)
    const first = await signedIn(before)
    const during = await beside(t, before, { SERVER_SECRETS: `${SERVER2},${SERVER1}` })
    const key = randomUUID()
    await refresh(during, first.refresh, key)
    await daysLater(before)
    t.equal(outcomeOf(await refresh(before, first.refresh, key)), 'lost-answer')
  },
)

t.test('a key that is used again counts as none, also across a rotation of the server secrets', async (t) => {
  const before = await startApp(t)
  const first = await signedIn(before)
  const during = await beside(t, before, { SERVER_SECRETS: `${SERVER2},${SERVER1}` })
  const key = randomUUID()
  const second = tokensOf(await refresh(before, first.refresh, key))
  const third = tokensOf(await refresh(during, second.refresh, key))
  const fourth = tokensOf(await refresh(during, third.refresh, key))
  await daysLater(before)
  t.match(await refresh(during, third.refresh, key), { status: 401, body: { code: 'refresh_replayed' } })
  t.match(await refresh(during, fourth.refresh), { status: 401, body: { code: 'session_revoked' } })
})
