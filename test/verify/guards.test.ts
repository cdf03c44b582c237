import { createServer } from 'node:http'
import Fastify from 'fastify'
import t from 'tap'
import type { Verifier } from '../../src/verify/index.ts'
import { claimsOf, createVerifier, guardConnect, guardFastify, guardFetch } from '../../src/verify/index.ts'
import { createTestIssuer } from '../../src/verify/testing.ts'
import { until } from '../helpers/until.ts'
import { serve } from './signing.ts'

type Tap = { teardown(end: () => unknown): void }
type Service = { readonly url: string; readonly handled: () => number }

/** The same service three times: it tells the caller's name to callers with a good token. */
const SERVICES: Readonly<Record<string, (t: Tap, verifier: Verifier) => Promise<Service>>> = {
  async fastify(t, verifier) {
    let handled = 0
    const app = Fastify()
    app.addHook('onRequest', guardFastify(verifier))
    app.get('/', async (request) => {
      handled += 1
      return { name: claimsOf(request).username }
    })
    t.teardown(() => app.close())
    return { url: await app.listen({ port: 0, host: '127.0.0.1' }), handled: () => handled }
  },
  async connect(t, verifier) {
    let handled = 0
    const guard = guardConnect(verifier)
    const { url } = await serve(t, (request, response) =>
      guard(request, response, () => {
        handled += 1
        response.end(JSON.stringify({ name: claimsOf(request).username }))
      }),
    )
    return { url, handled: () => handled }
  },
  async fetch(t, verifier) {
    let handled = 0
    const handler = guardFetch(verifier, async (request, greeting: string) => {
      handled += 1
      return Response.json({ name: claimsOf(request).username }, { headers: { greeting } })
    })
    const { url } = await serve(t, async (incoming, response) => {
      const { authorization } = incoming.headers
      const request = new Request('http://service.test/', { headers: authorization ? { authorization } : {} })
      const answer = await handler(request, 'hello')
      response.writeHead(answer.status, Object.fromEntries(answer.headers))
      response.end(await answer.text())
    })
    return { url, handled: () => handled }
  },
}

for (const [name, start] of Object.entries(SERVICES)) {
  t.test(
    `${name}: a good token reaches the handler with its claims, any other is answered before it`,
    async (t) => {
      const keyturn = await createTestIssuer()
      const verifier = createVerifier(keyturn.verifierOptions)
      t.teardown(() => verifier.close())
      const service = await start(t, verifier)
      const ask = async (authorization?: string) => {
        const answer = await fetch(service.url, { headers: authorization ? { authorization } : {} })
        const { status, headers } = answer
        return { status, headers: Object.fromEntries(headers), body: JSON.parse(await answer.text()) }
      }
      const sid = crypto.randomUUID()
      const token = await keyturn.mint({ username: 'grace', sid })
      t.match(await ask(`Bearer ${token}`), { status: 200, body: { name: 'grace' } })
      t.equal(service.handled(), 1)

      t.match(await ask(), {
        status: 401,
        headers: {
          'www-authenticate': 'Bearer realm="keyturn"',
          'content-type': /^application\/problem\+json/,
          'cache-control': 'no-store',
        },
        body: { status: 401, code: 'token_missing', title: 'Unauthorized', type: 'about:blank' },
      })
      for (const bad of [
        `${token}x`,
        await keyturn.mint({ exp: 1, iat: 0 }),
        await keyturn.mint({ aud: 'x' }),
      ])
        t.match(await ask(`Bearer ${bad}`), {
          status: 401,
          headers: { 'www-authenticate': 'Bearer realm="keyturn", error="invalid_token"' },
          body: { code: 'invalid_token' },
        })
      keyturn.revoke(sid)
      await until('the logout', async () => (await ask(`Bearer ${token}`)).status === 401)
      const handled = service.handled()
      await ask(`Bearer ${token}`)
      t.equal(service.handled(), handled, 'no refusal reaches the handler')
    },
  )

  t.test(`${name}: where nobody can tell, the answer is 503 and not the caller's fault`, async (t) => {
    const away = await serve(t, (_, response) => response.writeHead(500).end())
    const verifier = createVerifier({ issuer: 'i', audience: 'a', jwksUrl: away.url })
    const service = await start(t, verifier)
    const keyturn = await createTestIssuer({ algorithm: 'EdDSA' })
    const answer = await fetch(service.url, { headers: { authorization: `Bearer ${await keyturn.mint()}` } })
    t.equal(answer.status, 503)
    t.equal(answer.headers.get('retry-after'), '5')
    t.equal(answer.headers.get('www-authenticate'), null)
    t.match(JSON.parse(await answer.text()), { code: 'unavailable' })
    t.equal(service.handled(), 0)
  })
}

t.test('claimsOf throws where no guard stands, so that a route that was forgotten shows', async (t) => {
  t.throws(() => claimsOf({}), /no guard of keyturn\/verify has let this request through/)
})

t.test('a handler that fails behind guardConnect fails as it would without', async (t) => {
  const keyturn = await createTestIssuer()
  const verifier = createVerifier(keyturn.verifierOptions)
  t.teardown(() => verifier.close())
  const told: unknown[] = []
  const server = createServer((request, response) => {
    const broken = { ...verifier, verifyHeader: async () => Promise.reject(new Error('a defect')) }
    guardConnect(broken)(request, response, (error) => {
      told.push(error)
      response.writeHead(500).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  t.equal((await fetch(`http://127.0.0.1:${port}`)).status, 500)
  t.match(told, [{ message: 'a defect' }])
})

t.test('the test issuer mints what each of the four algorithms asks for, and ends sessions', async (t) => {
  for (const algorithm of ['HS256', 'EdDSA', 'ES256', 'RS256'] as const) {
    const keyturn = await createTestIssuer({ algorithm, issuer: 'https://other.test', audience: 'billing' })
    const verifier = createVerifier({
      ...keyturn.verifierOptions,
      profileClaims: ['team', 'size', 'nothing'],
    })
    t.teardown(() => verifier.close())
    const sid = crypto.randomUUID()
    const { claims } = await verifier.verify(
      await keyturn.mint({ sid, user_id: 9, roles: ['admin'], team: 'blue', size: 3, secret: 'x' }),
    )
    t.match(claims, {
      iss: 'https://other.test',
      aud: 'billing',
      sub: '9',
      user_id: 9,
      roles: ['admin'],
      sid,
    })
    t.strictSame(claims?.profile, { team: 'blue', size: 3 }, 'profile claims are those that were named')
    t.equal((await verifier.verify(await keyturn.mint({ exp: undefined }))).error?.code, 'claims_invalid')
    t.equal((await verifier.verify(await keyturn.mint({}, { typ: 'JWT' }))).error?.code, 'typ_not_allowed')
    t.equal((await verifier.verify(await keyturn.mint({}, { kid: 'x' }))).error?.code, 'kid_unknown')
    keyturn.revoke(sid)
    await until('the session ends', async () => {
      const { error } = await verifier.verify(await keyturn.mint({ sid }))
      return error?.code === 'session_revoked'
    })
  }
})
