import { join } from 'node:path'
import { createLocalJWKSet, createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import t from 'tap'
import { signedIn, signIn, tokensOf } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import { get, post } from '../helpers/client.ts'
import { directory, keySet, newPrivateJwk, replaceFile } from '../helpers/keys.ts'

const status = async (service: TestApp, access: string) =>
  (await get(`${service.url}/check-auth-status`, access)).status
const kidOf = (token: string) => decodeProtectedHeader(token).kid

t.test('from a shared secret to a private key, and from one key to another, nobody is refused', async (t) => {
  const file = join(await directory(t), 'keys.json')
  const [first, second] = [newPrivateJwk('EdDSA', 'ed1'), newPrivateJwk('EdDSA', 'ed2')]
  const curve = newPrivateJwk('ES256', 'es1')
  await replaceFile(file, keySet(first))
  const before = await startApp(t, { JWT_PRIVATE_KEYS_FILE: file })
  const person = await signedIn(before)
  t.equal(kidOf(person.access), 'jwt1', 'HS256 goes on to sign')

  const during = await startApp(
    t,
    { JWT_PRIVATE_KEYS_FILE: file, JWT_ALGORITHM: 'EdDSA' },
    { beside: before },
  )
  const young = await signIn(during, person)
  t.equal(kidOf(young.access), 'ed1')
  for (const service of [before, during]) {
    for (const { access } of [person, young])
      t.equal(await status(service, access), 200, 'each verifies both')
  }
  const back = await post(`${before.url}/refresh`, { refresh: young.refresh })
  t.equal(kidOf(tokensOf(back).access), 'jwt1', 'and the refresh token is good at either')

  await replaceFile(file, keySet(first, second, curve))
  for (const service of [before, during]) await service.app.keyReload.now()
  t.equal(kidOf((await signIn(during, person)).access), 'ed1')
  await replaceFile(file, keySet(curve, second, first))
  for (const service of [before, during]) await service.app.keyReload.now()
  t.equal(kidOf((await signIn(during, person)).access), 'ed2', 'the first of JWT_ALGORITHM signs')
  t.equal(await status(before, young.access), 200)
  await replaceFile(file, keySet(second))
  await during.app.keyReload.now()
  t.equal(await status(during, young.access), 401, 'a key that was taken away is refused at once')
  const published = (await get(`${during.url}/.well-known/jwks.json`)).body['keys']
  t.match(published, [{ kid: 'ed2', kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig' }])
})

t.test('the published keys are the public halves and nothing else, and may be kept', async (t) => {
  const file = join(await directory(t), 'keys.json')
  const keys = [newPrivateJwk('EdDSA', 'ed1'), newPrivateJwk('ES256', 'es1'), newPrivateJwk('RS256', 'rs1')]
  await replaceFile(file, keySet(...keys))
  const service = await startApp(t, { JWT_PRIVATE_KEYS_FILE: file, JWT_ALGORITHM: 'RS256' })
  const url = new URL(`${service.url}/.well-known/jwks.json`)
  const answer = await fetch(url)
  const text = await answer.text()
  t.equal(answer.status, 200)
  t.equal(answer.headers.get('content-type'), 'application/jwk-set+json')
  t.equal(answer.headers.get('cache-control'), 'public, max-age=300')
  const set: { keys: Record<string, unknown>[] } = JSON.parse(text)
  t.same(
    set.keys.map(({ kid }) => kid),
    ['ed1', 'es1', 'rs1'],
  )
  for (const name of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth']) {
    t.notOk(
      set.keys.some((key) => name in key),
      `no ${name}`,
    )
  }
  const etag = answer.headers.get('etag') ?? ''
  for (const tag of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
    const again = await fetch(url, { headers: { 'if-none-match': tag } })
    t.equal(again.status, 304, tag)
    t.equal(again.headers.get('etag'), etag)
    t.equal(await again.text(), '')
  }
  t.equal((await fetch(url, { headers: { 'if-none-match': '"x"' } })).status, 200)
  t.equal((await fetch(url, { method: 'HEAD' })).status, 200)

  const person = await signedIn(service)
  const expected = { issuer: 'http://keyturn.test', audience: 'keyturn', typ: 'at+jwt' }
  const { payload } = await jwtVerify(person.access, createRemoteJWKSet(url), expected)
  t.equal(payload['username'], person.username)
  t.ok(await jwtVerify(person.access, createLocalJWKSet(set), expected))
  await replaceFile(file, keySet(newPrivateJwk('RS256', 'rs2'), ...keys))
  await service.app.keyReload.now()
  const later = await fetch(url, { headers: { 'if-none-match': etag } })
  t.equal(later.status, 200, 'another set has another tag')
})

t.test('under HS256 no key is published', async (t) => {
  const service = await startApp(t)
  t.same((await get(`${service.url}/.well-known/jwks.json`)).body, { keys: [] })
})
