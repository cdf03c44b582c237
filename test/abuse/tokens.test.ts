import { decodeJwt } from 'jose'
import t from 'tap'
import { createServerKeys } from '../../src/core/server-keys.ts'
import {
  letterToken,
  register,
  requestsAdmitted,
  resetToken,
  signedIn,
  signIn,
  somebody,
  tokensOf,
} from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import type { Answer } from '../helpers/client.ts'
import { bearer, get, post } from '../helpers/client.ts'
import { forgedTokens } from '../helpers/forged-tokens.ts'
import { newSecret } from '../helpers/keys.ts'
import { serviceSigning } from '../helpers/signers.ts'
import { watchRequests } from '../helpers/statements.ts'

/** Group A of abuse-cases.md, as far as a request is about more than one forged token. */

const status = (service: TestApp, token?: string) => get(`${service.url}/check-auth-status`, token)

/** An answer without what is new in each. */
const constant = ({ body }: Answer) => JSON.stringify({ ...body, request_id: '' })

for (const algorithm of ['HS256', 'EdDSA'] as const) {
  t.test(`where ${algorithm} signs`, async (t) => {
    const { service, settings, key } = await serviceSigning(t, algorithm, { PROFILE_CLAIMS: 'city' })

    await t.test(
      'A34, A36, A37: no token passes for one of another kind, and no link is used up',
      async (t) => {
        const person = await register(service)
        const tokens = await signIn(service, person)
        const late = somebody()
        await post(`${service.url}/register`, { ...late })
        const verify = await letterToken(service, late.email, '/verify-email')
        const reset = await resetToken(service, person.email)

        const none = constant(await status(service, 'x.y.z'))
        for (const other of [tokens.refresh, verify, reset]) {
          t.equal(constant(await status(service, other)), none, 'as an access token')
        }
        const unknown = constant(await post(`${service.url}/refresh`, { refresh: 'unknown' }))
        for (const other of [tokens.access, verify, reset]) {
          const refused = await post(`${service.url}/refresh`, { refresh: other })
          if (other.length <= 512) t.equal(constant(refused), unknown, 'as a refresh token')
          else t.equal(refused.status, 400, 'longer than any refresh token')
        }
        for (const [path, more] of [
          ['/verify-email', {}],
          ['/reset', { password: 'another pass phrase' }],
        ] as const) {
          const dead = await post(service.url + path, { token: 'unknown', ...more })
          t.equal(dead.status, 400)
          for (const other of [tokens.access, tokens.refresh]) {
            t.equal(constant(await post(service.url + path, { token: other, ...more })), constant(dead), path)
          }
        }
        t.equal(
          (await post(`${service.url}/verify-email`, { token: verify })).status,
          200,
          'the link still works',
        )
        const answer = await post(`${service.url}/reset`, {
          token: reset,
          password: 'yet another pass phrase',
        })
        t.equal(answer.status, 200, 'and so does the other')
        await requestsAdmitted(service)
      },
    )

    await t.test(
      'A38: a token of another environment is refused, by its key and by its issuer alone',
      async (t) => {
        const person = await signedIn(service)
        const others = [
          { ...settings, PUBLIC_URL: 'http://staging.test' },
          { ...settings, JWT_AUDIENCE: 'staging' },
          { ...settings, SERVER_SECRETS: newSecret('srv1') },
        ]
        for (const other of others) {
          const staging = await startApp(t, other, { beside: service })
          t.equal((await status(staging, person.access)).status, 401)
          t.equal((await status(service, (await signIn(staging, person)).access)).status, 401)
        }
        const { service: foreign } = await serviceSigning(t, algorithm === 'HS256' ? 'EdDSA' : 'HS256')
        t.equal((await status(foreign, person.access)).status, 401, 'nor where another algorithm signs')
      },
    )

    await t.test('A40: what a role allows ends with the access token that names it', async (t) => {
      const person = await register(service)
      const { pool } = service.app.database
      await pool.query(`UPDATE users SET roles = '{admin}' WHERE username = $1`, [person.username])
      const admin = await signIn(service, person)
      t.equal((await status(service, admin.access)).body['is_admin'], true)
      await pool.query(`UPDATE users SET roles = '{}' WHERE username = $1`, [person.username])
      const next = tokensOf(await post(`${service.url}/refresh`, { refresh: admin.refresh }))
      t.equal((await status(service, next.access)).body['is_admin'], false)
      const { exp = 0, iat = 0 } = decodeJwt(admin.access)
      t.ok(exp - iat <= service.config.accessTtlSeconds)
    })

    await t.test('A42: the header has one form, and none of the others is told why', async (t) => {
      const { access } = await signedIn(service)
      const ask = async (authorization: string) => {
        const answer = await fetch(`${service.url}/check-auth-status`, { headers: { authorization } })
        const body: Record<string, unknown> = JSON.parse(await answer.text())
        return { status: answer.status, rest: JSON.stringify({ ...body, request_id: '' }) }
      }
      for (const good of [`bearer ${access}`, `BEARER ${access}`]) t.equal((await ask(good)).status, 200)
      const bad = [
        `Bearer  ${access}`,
        `Bearer\t${access}`,
        `Bearer ${access} y`,
        'Bearer',
        `Bearer ${access},b`,
      ]
      for (const each of bad) t.equal((await ask(each)).status, 401)
      const bodies = await Promise.all(bad.filter((each) => !each.includes('\t')).map(ask))
      t.equal(new Set(bodies.map(({ rest }) => rest)).size, 1)
    })

    await t.test(
      'A24, A28: not even one of our own is believed that is too long or lives too long',
      async (t) => {
        const { access } = await signedIn(service)
        const { own: _, ...claims } = decodeJwt(access)
        const keys = createServerKeys(service.config.serverSecrets)
        const minted = (changes: Record<string, unknown>) => {
          const unclosed = JSON.stringify({ ...claims, ...changes }).slice(0, -1)
          const own = keys.macWithCurrent('own', unclosed, 16).toString('base64url')
          return service.app.jwtSigner.sign(`${unclosed},"own":"${own}"}`)
        }
        const { iat = 0 } = claims
        for (const good of [{}, { more: 'x'.repeat(1000) }, { exp: iat + service.config.accessTtlSeconds }])
          t.equal((await status(service, minted(good))).status, 200, 'whoever mints these knows the form')
        const bad = [
          { more: 'x'.repeat(4000) },
          { exp: iat + service.config.accessTtlSeconds + 1 },
          { exp: iat + 315_360_000 },
        ]
        for (const each of bad)
          t.match(await status(service, minted(each)), { status: 401, body: { code: 'invalid_token' } })
      },
    )

    await t.test('A44: a token anywhere but in the header is not seen', async (t) => {
      const { access } = await signedIn(service)
      const url = `${service.url}/check-auth-status`
      const missing = { status: 401, body: { code: 'token_missing' } }
      t.match(await get(`${url}?access_token=${access}`), missing)
      for (const headers of [
        { cookie: `access=${access}; token=${access}; Authorization=${access}` },
        { cookie: `token=${access}`, authorization: `Basic ${Buffer.from('a:b').toString('base64')}` },
        { 'x-access-token': access },
      ]) {
        t.equal((await fetch(url, { headers })).status, 401)
      }
      t.match(await post(`${service.url}/logoutall`, { access_token: access, access }), { status: 401 })
    })

    await t.test('A45: a token that was remembered expires at its time', async (t) => {
      let skew = 0
      const world = { now: () => Date.now() + skew, random: () => 0 }
      const clocked = await startApp(t, { ...settings, ACCESS_TTL: '60s' }, { world, beside: service })
      const { access } = await signedIn(clocked)
      for (let round = 0; round < 3; round += 1) t.equal((await status(clocked, access)).status, 200)
      skew = 61_000
      t.equal((await status(clocked, access)).status, 401)
    })

    await t.test('A49: no field of a sign-up becomes a claim of ours', async (t) => {
      const person = somebody()
      for (const name of ['exp', 'iat', 'nbf', 'roles', 'is_admin', 'sub', 'own', 'aud']) {
        const answer = await post(`${service.url}/register`, { ...person, [name]: '9999999999' })
        if (answer.status === 400) continue
        t.equal(answer.status, 201, name)
        t.fail(`${name} was kept`)
      }
      const answer = await post(`${service.url}/register`, { ...person, city: '","roles":["admin"],"x":"' })
      t.equal(answer.status, 201)
      await post(`${service.url}/verify-email`, {
        token: await letterToken(service, person.email, '/verify-email'),
      })
      const { access } = await signIn(service, person)
      t.match(decodeJwt(access), { roles: [], city: '","roles":["admin"],"x":"' })
      t.equal((await status(service, access)).body['is_admin'], false)
    })

    await t.test('A48, A50: a forgery asks nothing of the database, which may even be away', async (t) => {
      const { access } = await signedIn(service)
      const { pool } = service.app.database
      const statements = watchRequests(pool)
      const forged = forgedTokens(access, key, Math.floor(Date.now() / 1000)).filter(
        ({ token }) => token.length < 4000,
      )
      for (const { token } of forged.slice(0, 200)) await status(service, token)
      t.same(statements.asked(), [])

      let checked = 0
      const { jwtSigner } = service.app
      const verify = jwtSigner.verify.bind(jwtSigner)
      Object.assign(jwtSigner, {
        verify: (token: string) => {
          checked += 1
          return verify(token)
        },
      })
      const changed = forged.filter(({ row }) =>
        ['A25', 'A26', 'A28', 'A29', 'A30', 'A32', 'A38'].includes(row),
      )
      for (const { token } of changed.filter(({ what }) => what !== 'another key of the same kid')) {
        await status(service, token)
      }
      t.equal(checked, 0, 'and where a claim was changed no signature is computed')
      Object.assign(jwtSigner, { verify })
      Object.assign(pool, { query: () => Promise.reject(new Error('the database is away')) })
      t.equal((await status(service, forged[0]?.token ?? '')).status, 401)
      t.equal((await status(service, access)).status, 200)
      t.equal((await post(`${service.url}/logoutall`, {}, { headers: bearer('x.y.z') })).status, 401)
      statements.stop()
    })
  })
}
