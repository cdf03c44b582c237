import fc from 'fast-check'
import t from 'tap'
import { startAll } from '../dialects/helpers.ts'
import { somebody, tokensOf } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { TEST_SECRETS } from '../helpers/app.ts'
import { post, text, untilAnswered } from '../helpers/client.ts'
import type { Given } from '../helpers/fuzz-fields.ts'
import { fieldsSomewhere, MINE, TAKES } from '../helpers/fuzz-fields.ts'
import type { Field, FuzzRequest, Known, OpenApi, Operation } from '../helpers/fuzz-requests.ts'
import { contentType, operationsOf, requestsFor, written } from '../helpers/fuzz-requests.ts'
import type { RawAnswer } from '../helpers/judge-answer.ts'
import { askInTime, broughtBy, faultOf } from '../helpers/judge-answer.ts'
import { basic, SERVICE, WITH_SERVICE } from '../helpers/service-client.ts'

// KEYTURN_RUNS=500 asks each operation so often; KEYTURN_SEED=7 asks otherwise.
const RUNS = Number(process.env['KEYTURN_RUNS'] ?? 4)
const SEED = Number(process.env['KEYTURN_SEED'] ?? 1)
const LANES = 6

/** Signed in; on a machine that is busy a 503 is lawful, and asked again. */
async function somebodyNew({ url }: TestApp) {
  const person = { ...somebody(), password: 'a cup of stars' }
  const { username, password } = person
  await untilAnswered(() => post(`${url}/register`, person))
  return { person, ...tokensOf(await untilAnswered(() => post(`${url}/token`, { username, password }))) }
}

/** Somebody with everything that a request could bring, new for each operation: some of them end the account. */
async function everythingOf(service: TestApp): Promise<Known> {
  const { person, access, refresh } = await somebodyNew(service)
  const { username, password } = person
  const knox = await untilAnswered(() => post(`${service.url}/knox/login`, { username, password }))
  return {
    ...person,
    new_password: 'another pass phrase',
    current_password: person.password,
    old_password: person.password,
    first_name: 'Ada',
    last_name: 'Lovelace',
    refresh,
    refresh_token: refresh,
    token: `Token ${text(knox, 'token')}`,
    grant_type: 'refresh_token',
    bearer: `Bearer ${access}`,
    service: basic()['authorization'] ?? '',
    id: '00000000-0000-7000-8000-000000000000',
    to: person.email,
    uid: 'MQ',
  }
}

/** With what the document leaves out because it is for people. */
function withPages(paths: OpenApi['paths']): OpenApi['paths'] {
  const parameters = [{ name: 'token', in: 'query', schema: {} }]
  const pages = [
    'verify-email',
    'confirm-email',
    'undo-email',
    'reset',
    'request-reset',
    'resend-verification',
  ]
  const gets = Object.fromEntries(
    pages.map((page) => [`/${page}`, { ...paths[`/${page}`], get: { parameters } }] as const),
  )
  const errors = { get: { parameters: [{ name: 'code', in: 'path', schema: {} }] } }
  return { ...paths, ...gets, '/errors/{code}': errors, '/docs': { get: {} }, '/dev/mailbox': { get: {} } }
}

/** By method and path, so that one account serves all their types of body. */
function together(operations: readonly Operation[]): Operation[][] {
  const groups = new Map<string, Operation[]>()
  for (const operation of operations) {
    const key = `${operation.method} ${operation.path}`
    groups.set(key, [...(groups.get(key) ?? []), operation])
  }
  return [...groups.values()]
}

const shown = (sent: FuzzRequest) =>
  JSON.stringify({ ...sent, body: sent.body?.toString('latin1') }).slice(0, 1500)

/** What is wrong with how one path answers to one method, in each type of body that it takes. */
async function faultsOf(service: TestApp, operations: readonly Operation[]): Promise<string[]> {
  const known = await everythingOf(service)
  const secrets = [
    ...Object.values(TEST_SECRETS).map((entry) => entry.split(':')[1] ?? entry),
    SERVICE.secret,
    known['password'] ?? '',
    service.databaseUrl,
  ]
  const brought: string[] = []
  const faults: string[] = []
  for (const operation of operations) {
    const property = fc.asyncProperty(requestsFor(operation, known), async (sent) => {
      const answer = await askInTime(service.url, sent)
      brought.push(broughtBy(sent))
      const fault = faultOf(sent, answer, secrets, brought)
      if (fault !== undefined)
        throw new Error(`${fault}: ${shown(sent)} → ${answer.status} ${answer.text.slice(0, 500)}`)
    })
    const outcome = await fc.check(property, { numRuns: RUNS, seed: SEED + 1000 * operation.number })
    if (outcome.failed) faults.push(`${operation.name}: ${outcome.errorInstance}`)
  }
  return faults
}

t.test('whoever judges the answers sees what is wrong with one', async (t) => {
  const sent = { method: 'POST', target: '/token', headers: {}, body: Buffer.from('hello') }
  const problem = { type: 'x', title: 'x', status: 400, detail: 'x', code: 'x', request_id: 'x' }
  const good = {
    status: 400,
    headers: {
      'x-request-id': '00000000-0000-4000-8000-000000000000',
      'cache-control': 'no-store',
      'content-type': 'application/problem+json',
    },
    text: JSON.stringify(problem),
    ms: 5,
  }
  t.equal(faultOf(sent, good, ['a secret']), undefined)
  const saying = (detail: string) => ({ ...good, text: JSON.stringify({ ...problem, detail }) })
  t.equal(faultOf({ ...sent, body: Buffer.from('a secret') }, saying('a secret'), ['a secret']), undefined)
  for (const wrong of [
    { ...good, ms: 3001 },
    { ...good, status: 500 },
    { ...good, status: 503 },
    { ...good, status: 401 },
    { ...good, status: 405 },
    { ...good, status: 404 },
    { ...good, headers: { ...good.headers, 'x-request-id': 'hello' } },
    { ...good, headers: { ...good.headers, 'cache-control': 'public' } },
    { ...good, headers: { ...good.headers, 'content-type': 'text/plain' } },
    { ...good, text: '{"message":"no"}' },
    saying('Error: no\n    at handle (file:///app/dist/app.js:1:2)'),
    saying('ENOENT /home/node/app'),
    saying('Failed query: select 1; SELECT id FROM users'),
    saying('insert violates unique constraint "x"'),
    saying('FST_ERR_VALIDATION'),
    saying('[object Object]'),
    saying('$2b$04$abc'),
    saying('here is a secret'),
  ])
    t.ok(faultOf(sent, wrong, ['a secret']), JSON.stringify(wrong))
})

const service = await startAll(t, WITH_SERVICE)

t.test(
  `whatever is sent to any operation is answered in time, in one shape, and nothing leaks (seed ${SEED})`,
  async (t) => {
    const document = (await (await fetch(`${service.url}/openapi.json`)).json()) as OpenApi
    const operations = operationsOf({ paths: withPages(document.paths) })
    t.ok(operations.length > 100, `${operations.length} operations`)
    const waiting = together(operations).values()
    const faults: string[] = []
    const lane = async () => {
      for (const some of waiting) faults.push(...(await faultsOf(service, some)))
    }
    await Promise.all(Array.from({ length: LANES }, lane))
    t.same(faults, [])

    const { pool } = service.app.database
    t.equal(pool.waitingCount, 0, 'nobody waits for the database')
    t.equal((await fetch(`${service.url}/health/ready`)).status, 200)
    t.match(await somebodyNew(service), { access: /^eyJ/ }, 'and it serves as before')
  },
)

const TYPES = ['application/json', 'application/x-www-form-urlencoded', 'multipart/form-data'] as const

/** Of each type of body an account of its own, so that what one has done does not change the verdict on the next. */
async function accountsOf(service: TestApp): Promise<Known[]> {
  const accounts: Known[] = []
  for (const _ of TYPES) {
    const known = await everythingOf(service)
    accounts.push({ ...known, new_password: known['password'] ?? '', token: known['refresh'] ?? '' })
  }
  return accounts
}

/** The value as the account sends it; whoever signs up is somebody else each time, of the same kind. */
function sentBy(account: Known, index: number, place: string, [name, value]: Given): Field {
  const signsUp = /register|signup/.test(place)
  if (value !== MINE) return [name, signsUp && name === 'username' ? `${value}q${index}` : value]
  if (signsUp && (name === 'username' || name === 'email')) return [name, somebody()[name]]
  return [name, account[name] ?? account['password'] ?? '']
}

/** The answer; on a machine that is busy a 503 is lawful, and asked again. */
async function answerTo(service: TestApp, sent: FuzzRequest): Promise<RawAnswer> {
  const answer = await askInTime(service.url, sent)
  const fault = faultOf(sent, answer, [])
  if (fault !== undefined) throw new Error(`${fault}: ${shown(sent)}`)
  return answer.status === 503 ? answerTo(service, sent) : answer
}

t.test(`the same fields get the same verdict in every encoding (seed ${SEED})`, async (t) => {
  const accounts = await accountsOf(service)
  const told = new Set<string>()
  const property = fc.asyncProperty(fieldsSomewhere, async ([place, given]) => {
    const [method = '', target = ''] = place.split(' ')
    const verdicts = new Set<string>()
    for (const [index, type] of TYPES.entries()) {
      const account = accounts[index] ?? {}
      const { bearer = '', service: client = '' } = account
      const headers = {
        'content-type': contentType(type),
        authorization: target === '/introspect' ? client : bearer,
      }
      const fields = given.map((each) => sentBy(account, index, place, each))
      const answer = await answerTo(service, { method, target, headers, body: written(fields, type) })
      const body: Record<string, unknown> = JSON.parse(answer.text)
      told.add(`${place} ${answer.status}`)
      verdicts.add(JSON.stringify([answer.status, body['code'], body['errors'], Object.keys(body).sort()]))
    }
    if (verdicts.size !== 1)
      throw new Error(
        `${place} ${JSON.stringify(given.map(([n, v]) => [n, String(v)]))}: ${[...verdicts].join(' | ')}`,
      )
  })
  await fc.assert(property, { numRuns: RUNS * 40, seed: SEED })
  const accepted = [...told].filter((each) => / 20\d$/.test(each)).length
  t.ok(
    told.size > Object.keys(TAKES).length && accepted > 6,
    `${told.size} verdicts, ${accepted} of them a yes`,
  )
})
