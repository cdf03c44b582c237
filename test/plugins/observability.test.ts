import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { somebody } from '../helpers/accounts.ts'
import { bearer, get, post, send, text } from '../helpers/client.ts'
import { readExposition, startObserved } from '../helpers/observed.ts'

const service = await startObserved(t, { EMAIL_VERIFICATION: 'off', RATE_LIMIT: 'on' })

t.test('metrics have a port of their own, and the public one has none', async (t) => {
  const answer = await fetch(service.metricsUrl)
  t.equal(answer.status, 200)
  t.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  const { families } = readExposition(await answer.text())
  t.ok(families.size > 20, `${families.size} metrics`)
  t.equal((await fetch(service.metricsUrl, { method: 'HEAD' })).status, 200)
  t.equal((await fetch(service.metricsUrl, { method: 'POST' })).status, 405)
  t.equal((await fetch(new URL('/token', service.metricsUrl))).status, 404, 'nothing else is there')
  t.equal((await get(`${service.url}/metrics`)).status, 404)
})

t.test('each request has exactly one line, of its route and nothing that it brought', async (t) => {
  const secret = 'hunter2-is-the-secret'
  const answers = [
    await get(`${service.url}/verify-email?token=${secret}`),
    await get(`${service.url}/nowhere/${secret}?token=${secret}`),
    await post(`${service.url}/token`, { username: secret, password: secret }),
    await get(`${service.url}/check-auth-status`, secret),
    await send('DELETE', `${service.url}/sessions/${secret}`, {}, { headers: bearer(secret) }),
    await get(`${service.url}/%zz${secret}`),
    await get(`${service.url}/health/live`),
  ]
  const lines = await Promise.all(answers.map(({ headers }) => service.lineOf(headers.get('x-request-id'))))
  t.match(
    lines.map(({ method, route, status }) => [method, route, status]),
    [
      ['GET', '/verify-email', 200],
      ['GET', 'unknown', 404],
      ['POST', '/token', 401],
      ['GET', '/check-auth-status', 401],
      ['DELETE', '/sessions/:id', 401],
      ['GET', 'unknown', 400],
      ['GET', '/health/live', 200],
    ],
  )
  t.match(lines[2], {
    code: 'invalid_credentials',
    events: ['login_failed'],
    reason: 'invalid_credentials',
    level: 30,
  })
  for (const { headers } of answers) {
    const id = headers.get('x-request-id') ?? ''
    t.equal(service.lines.filter((line) => line.includes(id)).length, 1)
  }
  for (const line of lines) t.type(line['ms'], 'number')
  t.notOk(service.lines.some((line) => line.includes(secret)))
})

t.test(
  'whatever throws, the answer is constant and the defect stands on the one line of its request',
  async (t) => {
    const bodies = new Set<string>()
    const places = ['handler', 'later', 'no-error', 'onRequest', 'preParsing', 'preValidation', 'preHandler']
    for (const place of [...places, 'preSerialization', 'onSend', 'serializer', 'custom-serializer']) {
      const answer = await get(`${service.url}/throws/${place}`)
      t.equal(answer.status, 500, place)
      const { request_id: id, ...body } = answer.body
      bodies.add(JSON.stringify(body))
      const line = await service.lineOf(answer.headers.get('x-request-id'))
      t.match(
        line,
        { level: 50, msg: 'a defect', route: `/throws/${place}`, status: 500, code: 'internal_error' },
        place,
      )
      t.type(line['err'], 'object')
      t.equal(service.lines.filter((each) => each.includes(String(id))).length, 1, `${place}: one line`)
    }
    t.equal(bodies.size, 1, [...bodies].join('\n'))
    t.notOk(service.lines.some((line) => line.includes('hunter2 was thrown')))

    const away = await get(`${service.url}/throws/unavailable`)
    t.equal(away.status, 503)
    t.equal(away.headers.get('retry-after'), '1')
    t.match(await service.lineOf(away.headers.get('x-request-id')), {
      level: 40,
      status: 503,
      code: 'unavailable',
    })
  },
)
