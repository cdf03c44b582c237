import { once } from 'node:events'
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { request } from 'node:http'
import t from 'tap'
import { register, somebody, verificationToken } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import { post } from '../helpers/client.ts'
import { until } from '../helpers/until.ts'

const PATHS = ['/dev/mailbox', '/dev/mailbox.json']
const service = await startApp(t)

interface Told {
  readonly status: number | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** A GET with every header as the test likes it, `Host` too, which `fetch` would not let it choose. */
async function ask(
  service: TestApp,
  path: string,
  headers: OutgoingHttpHeaders,
  method = 'GET',
): Promise<Told> {
  const asked = request(service.url + path, { method, headers, agent: false }).end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  let body = ''
  for await (const chunk of response.setEncoding('utf8')) body += chunk
  return { status: response.statusCode, headers: response.headers, body }
}

/** What everybody is told about a path that does not exist, but for the id of the request. */
const withoutId = (body: string) => body.replace(/"request_id":"[^"]+"/, '')

t.test('whoever develops on this machine reads the letters, newest first and by address', async (t) => {
  const [first, second] = [await register(service), await register(service)]
  const { port } = new URL(service.url)
  for (const host of [
    `127.0.0.1:${port}`,
    `localhost:${port}`,
    `LOCALHOST:${port}`,
    'localhost',
    `[::1]:${port}`,
  ]) {
    for (const path of PATHS) t.match(await ask(service, path, { host }), { status: 200 }, host)
  }
  const all = await ask(service, '/dev/mailbox.json', {})
  t.equal(all.headers['cache-control'], 'no-store')
  const addresses = (body: string) => JSON.parse(body).messages.map(({ to }: { to: string }) => to)
  t.same(addresses(all.body).slice(0, 2), [second.email, first.email])
  const query = `?to=${encodeURIComponent(first.email.toUpperCase())}`
  t.same(addresses((await ask(service, `/dev/mailbox.json${query}`, {})).body), [first.email])
  const page = await ask(service, '/dev/mailbox', {})
  t.match(page.headers['content-type'], /^text\/html/)
  t.match(page.body, second.email)
})

t.test('whatever came through a proxy is told that there is nothing', async (t) => {
  const service = await startApp(t, { TRUST_PROXY: '127.0.0.0/8' })
  await register(service)
  const nothing = withoutId((await ask(service, '/nothing', {})).body)
  for (const header of [
    'Forwarded: for=127.0.0.1',
    'Via: 1.1 proxy',
    'X-Forwarded-For: 127.0.0.1',
    'X-FORWARDED-FOR: 127.0.0.1',
    'X-Forwarded-For: ',
    'X-Forwarded-Host: localhost',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Port: 443',
    'X-Forwarded: 127.0.0.1',
    'X-Real-IP: 127.0.0.1',
    'X-Client-IP: 127.0.0.1',
    'X-Original-Forwarded-For: 127.0.0.1',
    'X-Original-Host: localhost',
    'X-Cluster-Client-IP: 127.0.0.1',
    'True-Client-IP: 127.0.0.1',
    'CF-Connecting-IP: 127.0.0.1',
    'CF-Ray: 1',
  ]) {
    const [, name = '', value = ''] = /^([^:]+): (.*)$/.exec(header) ?? []
    for (const path of PATHS) {
      const told = await ask(service, path, { [name]: value })
      t.equal(told.status, 404, header)
      t.equal(withoutId(told.body), nothing)
      t.match(await ask(service, path, { [name]: value }, 'HEAD'), { status: 404, body: '' })
    }
  }
})

t.test('whoever calls it by another name is told that there is nothing', async (t) => {
  await register(service)
  const nothing = withoutId((await ask(service, '/nothing', {})).body)
  for (const host of [
    'evil.example',
    'keyturn.test',
    'localhost.evil.example',
    'localhost.',
    'notlocalhost',
    '127.0.0.1.evil.example',
    '127.evil.example',
    '192.0.2.1',
    '0.0.0.0',
    '[::ffff:192.0.2.1]',
    '[::]',
    'localhost:99999',
  ]) {
    for (const path of PATHS) {
      const told = await ask(service, path, { host })
      t.equal(told.status, 404, host)
      t.equal(withoutId(told.body), nothing)
    }
  }
  for (const host of [
    '127.0.0.1@evil.example',
    'evil.example#localhost',
    'evil.example/localhost',
    'evil.example\\@localhost',
  ]) {
    for (const path of PATHS) t.equal((await ask(service, path, { host })).status, 400, 'which is no name')
  }
})

t.test('a page of another origin cannot read it', async (t) => {
  await register(service)
  const told = await ask(service, '/dev/mailbox.json', { origin: 'https://evil.example' })
  t.equal(told.headers['access-control-allow-origin'], undefined)
  const page = await ask(service, '/dev/mailbox', {})
  t.match(page.headers['content-security-policy'], /frame-ancestors 'none'/)
})

const PRODUCTION = {
  NODE_ENV: 'production',
  PUBLIC_URL: 'https://auth.example.com',
  SMTP_URL: 'smtps://mail.example.com',
  BCRYPT_COST: '10',
  RATE_LIMIT: 'on',
}

for (const [where, settings] of Object.entries({
  'in production': PRODUCTION,
  'where letters are sent': { SMTP_URL: 'smtp://127.0.0.1:1' },
  'where the network is offered the service': { HOST: '0.0.0.0' },
  'where the network is offered the service by IPv6': { HOST: '::' },
  'where the service has an address of the network': { HOST: '192.0.2.1' },
})) {
  t.test(`there is no mailbox ${where}`, async (t) => {
    const service = await startApp(t, settings)
    const nothing = withoutId((await ask(service, '/nothing', {})).body)
    for (const path of PATHS) {
      for (const method of ['GET', 'POST', 'OPTIONS']) {
        const told = await ask(service, path, {}, method)
        t.equal(told.status, 404, `${method} ${path}`)
        t.equal(withoutId(told.body), nothing)
      }
    }
    const openapi = await ask(service, '/openapi.json', {})
    t.notMatch(openapi.body, /dev\/mailbox/)
  })
}

t.test('no letter is kept where it could be read from the network', async (t) => {
  const service = await startApp(t, { SMTP_URL: 'smtp://127.0.0.1:1' })
  await post(`${service.url}/register`, { ...somebody() })
  const { pool } = service.app.database
  const tried = () => pool.query('SELECT FROM outbox WHERE last_error IS NOT NULL')
  await until('it was tried', async () => (await tried()).rowCount !== 0)
  t.same((await pool.query('SELECT FROM mailbox')).rows, [])
})

t.test('the link of a letter is for its reader alone: the answer is not kept by anybody', async (t) => {
  const { email } = await register(service)
  t.ok(await verificationToken(service, email))
  for (const path of PATHS) {
    const { headers } = await ask(service, path, {})
    t.match(headers, { 'cache-control': /no-store/, 'referrer-policy': 'no-referrer' }, path)
  }
})
