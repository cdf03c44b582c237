import t from 'tap'
import { buildApp } from '../../src/app.ts'
import { testConfig } from '../helpers/app.ts'
import { get, post } from '../helpers/client.ts'
import { createTestDatabase } from '../helpers/postgres.ts'
import { startAll } from './helpers.ts'

t.test('two dialects that claim one path stop the start, with a message that names both', async (t) => {
  const { url } = await createTestDatabase(t)
  for (const [DIALECTS, both] of [
    ['canonical=/,authtoken=/', /canonical and authtoken so that both have the path \/register/],
    ['signup=/a,knox=/a,canonical=/', /signup and knox so that both have the path \/a\/login/],
    [
      'canonical=/,simplejwt=/sessions',
      /canonical and simplejwt so that both have the path \/sessions\/token/,
    ],
  ] as const) {
    await t.rejects(buildApp(testConfig(url, { DIALECTS, EMAIL_VERIFICATION: 'optional' })), {
      name: 'DialectError',
      message: both,
    })
  }
})

t.test('what is not there is said in the words of the dialect that the path lies below', async (t) => {
  const { url } = await startAll(t)
  for (const path of ['/knox/nothing', '/api/auth/nothing', '/auth/', '/authentication/api/nothing/']) {
    const answer = await get(url + path)
    t.equal(answer.status, 404, path)
    t.same(answer.body, { detail: 'Not found.' }, path)
  }
  t.match((await get(`${url}/nothing`)).body, { code: 'not_found' })
})

t.test('the OpenAPI document has every path of every dialect, under a heading of its own', async (t) => {
  const { url } = await startAll(t, { SIMPLEJWT_REVEAL_ACCOUNTS: 'true' })
  const { body } = await get(`${url}/openapi.json`)
  const paths = body['paths'] as Record<string, Record<string, { tags: string[]; responses: object }>>
  for (const [path, heading] of Object.entries({
    '/token': /Sessions/,
    '/api/auth/login': /^authtoken/,
    '/auth/signup': /^signup/,
    '/knox/user/widgets': /^knox/,
    '/authentication/api/token/refresh': /^simplejwt/,
    '/authentication/api/check-registration-status/{email}': /^simplejwt/,
  })) {
    t.match(Object.values(paths[path] ?? {})[0]?.tags[0], heading, path)
  }
  const refused = JSON.stringify(paths['/knox/login']?.['post']?.responses)
  t.notMatch(refused, /problem\+json/, 'refusals are described in the words of the dialect')
  t.match(JSON.stringify(paths['/token']?.['post']?.responses), /problem\+json/)
})

t.test(
  'ten failures spread over four dialects stop the eleventh at any of them, and at the fifth',
  async (t) => {
    const service = await startAll(t, { RATE_LIMIT: 'on' })
    const { url } = service
    const person = { username: 'grace', email: 'grace@example.org', password: 'a cup of stars' }
    await post(`${url}/register`, person)
    const tries = [
      (password: string) => post(`${url}/api/auth/login`, { username: 'grace', password }),
      (password: string) => post(`${url}/auth/login`, { username: 'grace', password }),
      (password: string) =>
        post(`${url}/authentication/api/login/`, { email: 'grace@example.org', password }),
      (password: string) => post(`${url}/knox/login`, { username: 'grace', password }),
      (password: string) => post(`${url}/token`, { email: 'grace@example.org', password }),
    ]
    for (let count = 0; count < 10; count += 1) {
      const answer = await tries[count % 4]?.('wrong')
      t.not(answer?.status, 429, `failure ${count + 1}`)
    }
    for (const attempt of tries) {
      const answer = await attempt(person.password)
      t.equal(answer.status, 429, 'the right password, too')
      t.ok(Number(answer.headers.get('retry-after')) > 0)
    }
    const words = await tries[3]?.(person.password)
    t.match(words?.body, { detail: /^Request was throttled\. Expected available in \d+ seconds\.$/ })
    t.match((await tries[1]?.(person.password))?.body, {
      success: false,
      token: null,
      errors: { __all__: [/throttled/] },
    })
  },
)

t.test(
  'each path of each dialect answers with and without a slash at its end, and describes itself',
  async (t) => {
    const { url } = await startAll(t, { SIMPLEJWT_REVEAL_ACCOUNTS: 'true' })
    const { body } = await get(`${url}/openapi.json`)
    const below = ['/api/auth', '/auth', '/knox', '/authentication/api']
    const paths = Object.keys(body['paths'] as object).filter((path) =>
      below.some((prefix) => path.startsWith(`${prefix}/`)),
    )
    t.ok(paths.length > 25, `${paths.length} paths`)
    for (const path of paths.map((each) => each.replaceAll(/\{\w+\}/g, 'x'))) {
      const [plain, slashed] = await Promise.all(
        [path, `${path}/`].map(async (each) => {
          const answer = await fetch(url + each, { method: 'OPTIONS' })
          return [answer.status, answer.headers.get('allow'), await answer.json()]
        }),
      )
      t.equal(plain?.[0], 200, path)
      t.match(plain?.[1], /OPTIONS$/, path)
      t.match(plain?.[2], { name: /\S/, description: /\S/, renders: ['application/json'] }, path)
      t.same(slashed, plain, `${path}/`)
      const refused = await get(url + path)
      if (refused.status === 405) t.same(refused.body, { detail: 'Method "GET" not allowed.' }, path)
    }
  },
)
