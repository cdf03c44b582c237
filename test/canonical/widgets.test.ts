import t from 'tap'
import { signedIn } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import { bearer, get } from '../helpers/client.ts'

const LIMIT = 64 * 1024

async function save(service: TestApp, access: string, body: string | Buffer, type = 'application/json') {
  const headers = { ...bearer(access), 'content-type': type }
  const answer = await fetch(`${service.url}/user/widgets`, { method: 'POST', body, headers })
  return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) }
}

async function load(service: TestApp, access: string) {
  const answer = await fetch(`${service.url}/user/widgets`, { headers: bearer(access) })
  return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) }
}

t.test('any JSON comes back to the byte, from every replica', async (t) => {
  const service = await startApp(t)
  const replica = await startApp(t, {}, { beside: service })
  const { access } = await signedIn(service)
  t.equal((await load(service, access)).status, 404, 'nothing was saved yet')
  const documents: Record<string, string | Buffer> = {
    'an object whose names stand in no order': '{"b":1,"a":{"z":[],"y":null},"10":0,"9":1}',
    'the text of numbers': '[1.0,1e2,1E+2,-0,0.10,12345678901234567890,1.7976931348623157e308]',
    'white space': '\n {\t"a" :\r\n 1 }  \n',
    escapes: '["\\u00e9","é","\\/","\\ud83d\\ude00","😀","\\u0001","\\b"]',
    'a string': '"text"',
    'a number': '0',
    true: 'true',
    null: 'null',
    'an empty list': '[]',
    'a byte order mark': Buffer.from('\ufeff{}'),
    'names that mean something elsewhere': '{"sub":1,"exp":1,"is_admin":true,"constructor":1,"toString":1}',
    'a name of 60 kB': JSON.stringify({ ['x'.repeat(60_000)]: 1 }),
    'as many names as fit': `{${Array.from({ length: 7000 }, (_, index) => `"${index}":0`).join()}}`,
    '32 levels': '['.repeat(32) + ']'.repeat(32),
    'exactly 64 KiB': `"${'x'.repeat(LIMIT - 2)}"`,
    'exactly 64 KiB of four-byte characters': `"${'😀'.repeat((LIMIT - 4) / 4)}xx"`,
  }
  for (const [what, document] of Object.entries(documents)) {
    const bytes = Buffer.from(document)
    const saved = await save(service, access, bytes)
    t.equal(saved.status, 201, what)
    t.ok(saved.bytes.equals(bytes), `${what}: the answer repeats it`)
    const loaded = await load(replica, access)
    t.equal(loaded.status, 200, what)
    t.ok(loaded.bytes.equals(bytes), what)
    t.equal(loaded.headers.get('content-type'), 'application/json; charset=utf-8')
    t.equal(loaded.headers.get('cache-control'), 'no-store')
  }
})

t.test('what is no clean JSON is refused, and what was saved before stays', async (t) => {
  const service = await startApp(t)
  const { access } = await signedIn(service)
  await save(service, access, '{"kept":true}')
  const bodies: Record<string, { body: string | Buffer; type?: string; status: number }> = {
    'one byte more than 64 KiB': { body: `"${'x'.repeat(LIMIT - 1)}"`, status: 413 },
    'a megabyte': { body: `"${'x'.repeat(1_000_000)}"`, status: 413 },
    '33 levels': { body: '['.repeat(33) + ']'.repeat(33), status: 400 },
    '3,000 levels': { body: '['.repeat(3000) + ']'.repeat(3000), status: 400 },
    '8,000 levels of objects': { body: `${'{"a":'.repeat(8000)}1${'}'.repeat(8000)}`, status: 400 },
    '100,000 names': {
      body: `{${Array.from({ length: 100_000 }, (_, index) => `"${index}":0`).join()}}`,
      status: 413,
    },
    '20,000 levels': { body: '['.repeat(20_000) + ']'.repeat(20_000), status: 400 },
    'NUL in a value': { body: '{"a":"\\u0000"}', status: 400 },
    'NUL in a name': { body: '{"\\u0000":1}', status: 400 },
    'half a surrogate pair': { body: '["\\ud800"]', status: 400 },
    'a name twice': { body: '{"a":1,"a":2}', status: 400 },
    'a name twice, once escaped': { body: '{"a":1,"\\u0061":2}', status: 400 },
    '__proto__ at the fifth level': { body: '[[[[{"__proto__":1}]]]]', status: 400 },
    'a number beyond a double': { body: '1e999', status: 400 },
    'invalid UTF-8': { body: Buffer.from([0x22, 0xc0, 0xaf, 0x22]), status: 400 },
    'no JSON': { body: '{a:1}', status: 400 },
    'two texts': { body: '1 2', status: 400 },
    nothing: { body: '', status: 400 },
    'a form': { body: 'a=1', type: 'application/x-www-form-urlencoded', status: 415 },
    'a multipart form': { body: '--x--', type: 'multipart/form-data; boundary=x', status: 415 },
    'another type': { body: '{}', type: 'text/plain', status: 415 },
    'another charset': { body: '{}', type: 'application/json; charset=utf-16', status: 415 },
  }
  for (const [what, { body, type, status }] of Object.entries(bodies)) {
    const answer = await save(service, access, body, type)
    t.equal(answer.status, status, what)
    t.match(answer.headers.get('content-type'), 'application/problem+json', what)
  }
  t.equal(String((await load(service, access)).bytes), '{"kept":true}')
})

t.test('a body is wanted, and an access token before it is looked at', async (t) => {
  const service = await startApp(t)
  const { access } = await signedIn(service)
  const url = `${service.url}/user/widgets`
  t.equal((await fetch(url, { method: 'POST', headers: bearer(access) })).status, 400)
  t.equal(
    (await fetch(url, { method: 'POST', body: '{"a":', headers: { 'content-type': 'application/json' } }))
      .status,
    401,
  )
  t.equal((await fetch(url)).status, 401)
  t.equal(
    (
      await fetch(`${url}/`, {
        method: 'POST',
        body: '{}',
        headers: { ...bearer(access), 'content-type': 'application/json' },
      })
    ).status,
    201,
  )
  t.match(await (await fetch(url, { method: 'OPTIONS' })).json(), {
    parses: ['application/json'],
    actions: { POST: {} },
  })
})

t.test('a large body is taken here and nowhere else', async (t) => {
  const service = await startApp(t)
  const { access } = await signedIn(service)
  const headers = { ...bearer(access), 'content-type': 'application/json' }
  const body = JSON.stringify({ first_name: 'x'.repeat(20_000) })
  t.equal((await save(service, access, body)).status, 201)
  t.equal((await fetch(`${service.url}/user`, { method: 'PATCH', body, headers })).status, 413)
})

t.test('of many that save at once one wins, whole, and there is one row', async (t) => {
  const service = await startApp(t)
  const replica = await startApp(t, {}, { beside: service })
  const { access } = await signedIn(service)
  const documents = Array.from({ length: 40 }, (_, index) => JSON.stringify(Array(1000).fill(index)))
  const answers = await Promise.all(
    documents.map((document, index) => save(index % 2 === 0 ? service : replica, access, document)),
  )
  t.ok(answers.every(({ status }) => status === 201 || status === 503))
  t.ok(documents.includes(String((await load(service, access)).bytes)))
  const { rows } = await service.app.database.pool.query('SELECT count(*)::int AS n FROM widgets')
  t.same(rows, [{ n: 1 }])
})

t.test('everybody has a document of their own', async (t) => {
  const service = await startApp(t)
  const [one, other] = await Promise.all([signedIn(service), signedIn(service)])
  await save(service, one.access, '1')
  t.equal((await load(service, other.access)).status, 404)
  await save(service, other.access, '2')
  t.equal(String((await load(service, one.access)).bytes), '1')
  const { body } = await get(`${service.url}/user`, other.access)
  for (const path of [`/user/widgets/${body['id']}`, '/user/widgets/1', `/user/${body['id']}/widgets`])
    t.equal((await get(service.url + path, one.access)).status, 404, path)
  const asked = await fetch(`${service.url}/user/widgets?id=${body['id']}&user=${body['id']}`, {
    headers: { ...bearer(one.access), 'x-user-id': String(body['id']) },
  })
  t.equal(await asked.text(), '1', 'whoever else a request names')
})
