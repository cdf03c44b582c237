import { once } from 'node:events'
import { connect } from 'node:net'
import type { Test } from 'tap'
import t from 'tap'
import { startApp } from '../helpers/app.ts'

const service = await startApp(t)

interface RawAnswer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
  readonly text: string
}

/** Sends the bytes as they are and reads until the service hangs up. */
async function send(bytes: string | Buffer): Promise<RawAnswer> {
  const { hostname, port } = new URL(service.url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.write(bytes)
  let text = ''
  for await (const chunk of socket.setEncoding('utf8')) text += chunk
  const [head = '', body = ''] = text.split('\r\n\r\n')
  const [line = '', ...lines] = head.split('\r\n')
  const headers = lines.map((each): [string, string] => {
    const [, name = '', value = ''] = /^([^:]+): ?(.*)$/.exec(each) ?? []
    return [name.toLowerCase(), value]
  })
  return { status: Number(/^HTTP\/1\.1 (\d+) /.exec(line)?.[1]), headers: new Map(headers), body, text }
}

const get = (path: string, ...headers: string[]) =>
  [`GET ${path} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...headers, '', ''].join('\r\n')

/** A word that no answer may repeat. */
const WORD = 'hunter2'
const MEMBERS = ['code', 'detail', 'request_id', 'status', 'title', 'type']
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/

/** Sent now, for it takes six seconds. */
const unfinished = send(`GET /health/live HTTP/1.1\r\nX: ${WORD}`)

/** In the one shape of a refusal, with the id of a request, and without a word of what was sent. */
function isRefusal(t: Test, answer: RawAnswer, status: number, code: string, what: string): void {
  t.equal(answer.status, status, what)
  t.equal(answer.headers.get('content-type'), 'application/problem+json; charset=utf-8', what)
  t.equal(answer.headers.get('cache-control'), 'no-store', what)
  t.equal(answer.headers.get('content-length'), String(Buffer.byteLength(answer.body)), what)
  const problem = JSON.parse(answer.body || '{}')
  t.same(Object.keys(problem).toSorted(), MEMBERS, what)
  t.match(problem, { status, code, request_id: UUID }, what)
  t.equal(answer.headers.get('x-request-id'), problem.request_id, what)
  t.notOk(answer.text.includes(WORD), `${what}: nothing is echoed`)
}

t.test('a path that cannot be decoded is one constant 400', async (t) => {
  const bodies = new Set<string>()
  for (const path of [
    '/%zz',
    '/%',
    `/${WORD}%E0%A4%A`,
    '/token%ff',
    `/errors/%c3%28${WORD}`,
    `/verify-email%2?token=${WORD}`,
  ]) {
    const answer = await send(get(path))
    isRefusal(t, answer, 400, 'bad_request', path)
    bodies.add(answer.body.replace(/"request_id":"[^"]+"/, ''))
  }
  t.equal(bodies.size, 1)
})

t.test('a path that is too long for its place is refused without being repeated', async (t) => {
  for (const length of [65, 99, 100, 101, 300, 4000]) {
    const answer = await send(get(`/errors/${WORD.padEnd(length, 'x')}`))
    t.ok([400, 404].includes(answer.status), `${length} characters: ${answer.status}`)
    const { code, errors } = JSON.parse(answer.body)
    if (errors === undefined) isRefusal(t, answer, answer.status, code, `${length} characters`)
    t.notOk(answer.text.includes(WORD))
    t.match(answer.headers.get('x-request-id'), UUID)
  }
})

t.test('a header that is too long is a 431', async (t) => {
  for (const header of [
    `X-Long: ${WORD}${'x'.repeat(9000)}`,
    `Authorization: Bearer ${WORD}${'x'.repeat(9000)}`,
    ...[Array.from({ length: 500 }, (_, index) => `X-${index}: ${WORD}${'x'.repeat(20)}`).join('\r\n')],
    // So short that Node would take them all by their length, and leave out the last ones by their number.
    ...[100, 2500].map((count) => Array<string>(count).fill('a:').join('\r\n')),
  ])
    isRefusal(t, await send(get('/health/live', header)), 431, 'bad_request', header.slice(0, 30))
  isRefusal(t, await send(get(`/${'x'.repeat(9000)}${WORD}`)), 431, 'bad_request', 'a path')
})

t.test('what is no HTTP is a 400', async (t) => {
  const post = (...lines: string[]) => ['POST /token HTTP/1.1', 'Host: localhost', ...lines].join('\r\n')
  for (const [what, bytes] of Object.entries({
    'any text': `${WORD} ${WORD}\r\n\r\n`,
    'a method nobody knows': `${WORD.toUpperCase()} / HTTP/1.1\r\nHost: x\r\n\r\n`,
    'HTTP/2 in the clear': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'the hello of TLS': Buffer.from('16030100c8010000c40303', 'hex'),
    'a header without a colon': `GET / HTTP/1.1\r\nHost: x\r\n${WORD}\r\n\r\n`,
    'a space before a colon': `GET / HTTP/1.1\r\nHost: x\r\nX-${WORD} : y\r\n\r\n`,
    'a control character in a header': `GET / HTTP/1.1\r\nHost: x\r\nX: ${WORD}\0\r\n\r\n`,
    'a folded header': `GET / HTTP/1.1\r\nHost: x\r\nX: y\r\n ${WORD}\r\n\r\n`,
    'a length that is no number': post(`Content-Length: ${WORD}`, '', ''),
    'two lengths': post('Content-Length: 1', 'Content-Length: 2', '', 'xx'),
    'a length and chunks': post('Content-Length: 1', 'Transfer-Encoding: chunked', '', '0', '', ''),
    'an encoding nobody knows': post(`Transfer-Encoding: ${WORD}`, '', ''),
    'a chunk without a size': post('Transfer-Encoding: chunked', '', WORD, '', ''),
  }))
    isRefusal(t, await send(bytes), 400, 'bad_request', what)
  isRefusal(
    t,
    await send(post('Transfer-Encoding: chunked', '', `2;${'x'.repeat(20_000)}`, 'xx', '0', '', '')),
    413,
    'bad_request',
    'an extension of a chunk that does not end',
  )
})

t.test(
  'what another server could take for another request is refused, and its connection ends',
  async (t) => {
    const ask = (...lines: string[]) => ['POST /token HTTP/1.1', ...lines, '', ''].join('\r\n')
    const chunks = '0\r\n\r\n'
    for (const [what, bytes] of Object.entries({
      'two hosts': ask('Host: localhost', `Host: ${WORD}`),
      'the same host twice': ask('Host: localhost', 'host: localhost'),
      'no host': ask('Connection: keep-alive'),
      'a host with a user': ask(`Host: ${WORD}@localhost`),
      'a host with a path': ask(`Host: localhost/${WORD}`),
      'a host with a port that is none': ask(`Host: localhost:${WORD}`),
      'two hosts in one': ask(`Host: localhost, ${WORD} x`),
      'a host with a space': ask(`Host: local ${WORD}`),
      'chunks in two lines':
        ask('Host: x', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked') + chunks,
      'chunks in chunks': ask('Host: x', 'Transfer-Encoding: chunked, chunked') + chunks,
      'another coding': ask('Host: x', 'Transfer-Encoding: gzip, chunked') + chunks,
      'chunks of HTTP/1.0': ask('Host: x', 'Transfer-Encoding: chunked').replace('1.1', '1.0') + chunks,
      'two hosts of a path that is not there': ask('Host: x', 'Host: y').replace('/token', `/${WORD}`),
    }))
      isRefusal(t, await send(bytes), 400, 'bad_request', what)
    for (const version of ['0.9', '1.2', '2.0', '3.0', '7.3']) {
      const bytes = `GET /health/live HTTP/${version}\r\nHost: x\r\n\r\n`
      isRefusal(t, await send(bytes), 505, 'bad_request', version)
    }
  },
)

t.test('every host that is one is served', async (t) => {
  for (const host of [
    'localhost',
    'Auth.Example.org:8080',
    '10.0.0.1',
    '[2001:db8::1]:443',
    'keyturn_api',
    'x:',
    '',
  ]) {
    const bytes = `GET /health/live HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
    t.equal((await send(bytes)).status, 200, host)
  }
  t.equal((await send('GET /health/live HTTP/1.0\r\n\r\n')).status, 200, 'HTTP/1.0 has none')
})

t.test('what Node itself refuses repeats nothing either', async (t) => {
  const [hostless, expecting] = [`GET /${WORD} HTTP/1.1\r\n\r\n`, get(`/${WORD}`, `Expect: ${WORD}`)]
  for (const [bytes, status] of [
    [hostless, 400],
    [expecting, 417],
  ] as const) {
    isRefusal(t, await send(bytes), status, 'bad_request', bytes)
  }
  const tunnel = await send(`CONNECT ${WORD}:443 HTTP/1.1\r\nHost: ${WORD}\r\n\r\n`)
  isRefusal(t, tunnel, 400, 'bad_request', 'CONNECT')
})

t.test('a header that does not come to its end is a 408', async (t) => {
  isRefusal(t, await unfinished, 408, 'bad_request', 'after five seconds')
})

t.test('after all of that the service answers as before', async (t) => {
  await Promise.all(Array.from({ length: 50 }, () => send(`${WORD}\r\n\r\n`)))
  const answer = await send(get('/health/live'))
  t.equal(answer.status, 200)
  t.match(answer.headers.get('x-request-id'), UUID)
})
