import fc from 'fast-check'
import t from 'tap'
import { startAll } from '../dialects/helpers.ts'
import { register, signIn, somebody } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { TEST_SECRETS } from '../helpers/app.ts'
import { post, text } from '../helpers/client.ts'
import type { Known, OpenApi, Operation } from '../helpers/fuzz-requests.ts'
import { operationsOf, requestsFor } from '../helpers/fuzz-requests.ts'
import { ask, faultOf } from '../helpers/judge-answer.ts'
import { basic, SERVICE, WITH_SERVICE } from '../helpers/service-client.ts'

// KEYTURN_RUNS=500 asks each operation so often; KEYTURN_SEED=7 asks otherwise.
const RUNS = Number(process.env['KEYTURN_RUNS'] ?? 8)
const SEED = Number(process.env['KEYTURN_SEED'] ?? 1)
const LANES = 6

/** Somebody with everything that a request could bring, new for each operation: some of them end the account. */
async function everythingOf(service: TestApp): Promise<Known> {
  const person = await register(service)
  const { access, refresh } = await signIn(service, person)
  const knox = await post(`${service.url}/knox/login`, {
    username: person.username,
    password: person.password,
  })
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

async function fuzz(service: TestApp, operation: Operation): Promise<string | undefined> {
  const known = await everythingOf(service)
  const secrets = [
    ...Object.values(TEST_SECRETS),
    SERVICE.secret,
    known['password'] ?? '',
    service.databaseUrl,
  ]
  const property = fc.asyncProperty(requestsFor(operation, known), async (sent) => {
    const answer = await ask(service.url, sent)
    const fault = faultOf(sent, answer, secrets)
    if (fault === undefined) return
    const shown = { ...sent, body: sent.body?.toString('latin1') }
    throw new Error(
      `${fault}: ${JSON.stringify(shown).slice(0, 1500)} → ${answer.status} ${answer.text.slice(0, 500)}`,
    )
  })
  const outcome = await fc.check(property, { numRuns: RUNS, seed: SEED })
  return outcome.failed ? `${operation.name}: ${outcome.errorInstance}` : undefined
}

t.test(
  `whatever is sent to any operation is answered in time, in one shape, and nothing leaks (seed ${SEED})`,
  async (t) => {
    const service = await startAll(t, WITH_SERVICE)
    const document = (await (await fetch(`${service.url}/openapi.json`)).json()) as OpenApi
    const operations = operationsOf(document)
    t.ok(operations.length > 100, `${operations.length} operations`)
    const waiting = operations.values()
    const faults: string[] = []
    const lane = async () => {
      for (const operation of waiting) {
        const fault = await fuzz(service, operation)
        if (fault !== undefined) faults.push(fault)
      }
    }
    await Promise.all(Array.from({ length: LANES }, lane))
    t.same(faults, [])

    const { pool } = service.app.database
    t.equal(pool.waitingCount, 0, 'nobody waits for the database')
    t.equal((await fetch(`${service.url}/health/ready`)).status, 200)
    t.ok((await signIn(service, await register(service, somebody()))).access, 'and it serves as before')
  },
)
