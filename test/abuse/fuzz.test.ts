import fc from 'fast-check'
import t from 'tap'
import { startAll } from '../dialects/helpers.ts'
import { somebody, tokensOf } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { TEST_SECRETS } from '../helpers/app.ts'
import { post, text, untilAnswered } from '../helpers/client.ts'
import type { Field, FuzzRequest, Known, OpenApi, Operation } from '../helpers/fuzz-requests.ts'
import { contentType, operationsOf, requestsFor, written } from '../helpers/fuzz-requests.ts'
import { HOSTILE } from '../helpers/hostile.ts'
import type { RawAnswer } from '../helpers/judge-answer.ts'
import { askInTime, faultOf } from '../helpers/judge-answer.ts'
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
    ...Object.values(TEST_SECRETS),
    SERVICE.secret,
    known['password'] ?? '',
    service.databaseUrl,
  ]
  const faults: string[] = []
  for (const operation of operations) {
    const property = fc.asyncProperty(requestsFor(operation, known), async (sent) => {
      const answer = await askInTime(service.url, sent)
      const fault = faultOf(sent, answer, secrets)
      if (fault !== undefined)
        throw new Error(`${fault}: ${shown(sent)} → ${answer.status} ${answer.text.slice(0, 500)}`)
    })
    const outcome = await fc.check(property, { numRuns: RUNS, seed: SEED })
    if (outcome.failed) faults.push(`${operation.name}: ${outcome.errorInstance}`)
  }
  return faults
}

const service = await startAll(t, WITH_SERVICE)

t.test(
  `whatever is sent to any operation is answered in time, in one shape, and nothing leaks (seed ${SEED})`,
  async (t) => {
    const document = (await (await fetch(`${service.url}/openapi.json`)).json()) as OpenApi
    const operations = operationsOf(document)
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

/** Where the fields go, and which of them. `mine` of a field is what this encoding's own account has there. */
const TAKES: Readonly<Record<string, readonly string[]>> = {
  'POST /token': ['username', 'email', 'password'],
  'POST /refresh': ['refresh'],
  'POST /logout': ['refresh'],
  'POST /register': ['username', 'email', 'password', 'first_name', 'city'],
  'POST /verify-email': ['token'],
  'POST /reset': ['token', 'password'],
  'POST /request-reset': ['email'],
  'PATCH /user': ['first_name', 'last_name', 'city'],
  'PUT /user': ['first_name', 'city'],
  'POST /change-password': ['current_password', 'new_password'],
  'POST /change-email': ['email', 'password'],
  'POST /introspect': ['token', 'token_type_hint'],
  'POST /knox/login': ['username', 'password'],
  'POST /auth/signup': ['username', 'email', 'password1', 'password2'],
}
async function answerTo(sent: FuzzRequest): Promise<RawAnswer> {
  for (;;) {
    const answer = await askInTime(service.url, sent)
    if (answer.status !== 503) return answer
  }
}

const MINE = Symbol('what the account of this encoding has')

const requestOfAll = fc.constantFrom(...Object.entries(TAKES)).chain(([place, names]) => {
  const text = fc.oneof(
    { weight: 4, arbitrary: fc.constant<string | typeof MINE>(MINE) },
    { weight: 3, arbitrary: fc.constantFrom(...HOSTILE) },
    { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }) },
    { weight: 1, arbitrary: fc.constantFrom('x'.repeat(321), 'x'.repeat(1025), 'x'.repeat(9000)) },
  )
  const given = names.map((name) =>
    fc.option(text, { nil: undefined, freq: 8 }).map((value) => [name, value] as const),
  )
  const more = fc.option(
    fc.tuple(fc.constantFrom('is_admin', 'unknown', '__proto__', names[0] ?? ''), text),
    {
      nil: undefined,
      freq: 1,
    },
  )
  return fc.tuple(
    fc.constant(place),
    fc.tuple(...given),
    fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: more }),
  )
})

t.test(`the same fields get the same verdict in every encoding (seed ${SEED})`, async (t) => {
  const accounts: Known[] = []
  for (const _ of TYPES) {
    const { person, access, refresh } = await somebodyNew(service)
    const { password } = person
    const names = {
      current_password: password,
      new_password: password,
      password1: password,
      password2: password,
    }
    accounts.push({
      ...person,
      ...names,
      refresh,
      bearer: `Bearer ${access}`,
      city: 'Turin',
      first_name: 'Ada',
      token: refresh,
    })
  }
  const told = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(requestOfAll, async ([place, stated, more]) => {
      const [method = '', target = ''] = place.split(' ')
      const isNew = /register|signup/.test(target)
      const verdicts: string[] = []
      for (const [index, type] of TYPES.entries()) {
        const mine = accounts[index] ?? {}
        // Whoever signs up must be somebody else each time, of the same kind.
        const own = (name: string, value: string | typeof MINE) => {
          if (value !== MINE) return isNew && name === 'username' ? `${value}${'abc'[index]}` : value
          const fresh = somebody()
          return isNew && name === 'username'
            ? fresh.username
            : isNew && name === 'email'
              ? fresh.email
              : (mine[name] ?? '')
        }
        const given = [...stated, more ?? (['', undefined] as const)].flatMap(([name, value]): Field[] =>
          value === undefined ? [] : [[name, own(name, value)]],
        )
        const authorization = target === '/introspect' ? basic()['authorization'] : mine['bearer']
        const headers = { 'content-type': contentType(type), authorization: authorization ?? '' }
        const sent = { method, target, headers, body: written(given, type) }
        const answer = await askInTime(service.url, sent)
        const fault = faultOf(sent, answer, [])
        if (fault !== undefined) throw new Error(`${fault}: ${shown(sent)}`)
        const body: Record<string, unknown> = JSON.parse(answer.text)
        told.set(`${place} ${answer.status}`, 1)
        verdicts.push(JSON.stringify([answer.status, body['code'], body['errors'], Object.keys(body).sort()]))
      }
      if (new Set(verdicts).size !== 1)
        throw new Error(`${place} ${JSON.stringify([stated, more])}: ${verdicts.join(' | ')}`)
    }),
    { numRuns: RUNS * 40, seed: SEED },
  )
  const places = Object.keys(TAKES)
  const accepted = [...told.keys()].filter((each) => / 20\d$/.test(each)).length
  t.ok(told.size > places.length && accepted > 6, `${told.size} verdicts, ${accepted} of them a yes`)
})
