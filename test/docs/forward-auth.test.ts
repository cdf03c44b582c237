import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingHttpHeaders, Server } from 'node:http'
import { request as ask, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Test } from 'tap'
import t from 'tap'
import { register, signIn, somebody } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import { bearer, post } from '../helpers/client.ts'
import { until } from '../helpers/until.ts'

const document = readFileSync(new URL('../../docs/forward-auth.md', import.meta.url), 'utf8')

/** A recipe of the document, leading to these addresses. */
function recipe(name: string, at: { proxy: string; keyturn: string; app: string }): string {
  const text = new RegExp(`<!-- recipe: ${name} -->\\n\`\`\`\\w+\\n([\\s\\S]*?)\`\`\``).exec(document)?.[1]
  if (text === undefined) throw new Error(`docs/forward-auth.md has no recipe for ${name}`)
  return text
    .replaceAll('127.0.0.1:8080', at.proxy)
    .replaceAll('127.0.0.1:3000', at.keyturn)
    .replaceAll('127.0.0.1:8000', at.app)
}

const hostOf = (url: string) => new URL(url).host

async function listen(t: Test, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => void server.close(() => undefined).closeAllConnections())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** An application that says what reached it. */
const startApplication = (t: Test) =>
  listen(
    t,
    createServer((request, response) => {
      const pieces: Buffer[] = []
      request.on('data', (piece) => pieces.push(piece))
      request.on('end', () => {
        const { method, url, headers } = request
        response.end(JSON.stringify({ method, url, headers, bytes: Buffer.concat(pieces).length }))
      })
    }),
  )

const AUTH_HEADERS = ['x-auth-user-id', 'x-auth-username', 'x-auth-roles']

/** A proxy that asks as auth_request and its like do: GET, the headers of the request, not its body. */
const startProxy = (
  t: Test,
  keyturn: string,
  app: string,
  about: (request: { method?: string | undefined }) => object,
) =>
  listen(
    t,
    createServer((request, response) => {
      const {
        'content-length': _length,
        'transfer-encoding': _coding,
        host: _host,
        ...asked
      } = request.headers
      const question = ask(`${keyturn}/check-auth-status`, { headers: { ...asked, ...about(request) } })
      question.end().on('response', (answer) => {
        answer.resume()
        if (answer.statusCode !== 200) {
          request.resume()
          const isRefusal = answer.statusCode === 401 || answer.statusCode === 403
          const challenge = answer.headers['www-authenticate']
          response.writeHead(
            isRefusal ? (answer.statusCode ?? 500) : 500,
            challenge ? { 'www-authenticate': challenge } : {},
          )
          return response.end()
        }
        const headers: IncomingHttpHeaders = { ...request.headers }
        for (const name of AUTH_HEADERS) headers[name] = String(answer.headers[name] ?? '')
        const onward = ask(app + (request.url ?? ''), { method: request.method ?? 'GET', headers })
        request.pipe(onward)
        onward.on('response', (said) => {
          response.writeHead(said.statusCode ?? 500, said.headers)
          said.pipe(response)
        })
      })
    }),
  )

interface Reached {
  readonly method: string
  readonly url: string
  readonly headers: Record<string, string>
  readonly bytes: number
}

/** What every one of these proxies must let through, and what not. */
async function guards(t: Test, service: TestApp, proxy: string): Promise<void> {
  const person = await register(service, {
    ...somebody(),
    username: `Jürgen ${Math.random()}`.replace(' ', '_'),
  })
  const { access } = await signIn(service, person)
  const through = async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(proxy + path, { ...init, headers: { ...bearer(access), ...init.headers } })
    t.equal(answer.status, 200, `${init.method ?? 'GET'} ${path}`)
    const reached: Reached = JSON.parse(await answer.text())
    return reached
  }
  const plain = await through('/reports?year=2026')
  t.equal(plain.url, '/reports?year=2026')
  t.match(plain.headers['x-auth-user-id'], /^\d+$/)
  t.equal(decodeURIComponent(plain.headers['x-auth-username'] ?? ''), person.username)
  t.equal(plain.headers['x-auth-roles'] ?? '', '')

  const forged = { 'x-auth-user-id': '1', 'X-Auth-Username': 'admin', 'x-auth-roles': 'admin' }
  const honest = await through('/', { headers: forged })
  t.equal(honest.headers['x-auth-user-id'], plain.headers['x-auth-user-id'], 'nobody says himself who he is')
  t.equal(honest.headers['x-auth-username'], plain.headers['x-auth-username'])
  t.equal(honest.headers['x-auth-roles'] ?? '', '', 'nor what he may do')

  const packed = gzipSync(Buffer.alloc(40_000, 'x'))
  const compressed = { 'content-type': 'application/x-anything', 'content-encoding': 'gzip' }
  t.match(await through('/upload', { method: 'POST', body: packed, headers: compressed }), {
    method: 'POST',
    bytes: packed.length,
  })
  for (const method of ['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'])
    t.match(await through('/thing', { method }), { method })
  const head = await fetch(proxy, { method: 'HEAD', headers: bearer(access) })
  t.equal(head.status, 200)

  const { pool } = service.app.database
  await pool.query(`UPDATE users SET roles = '{admin,"a,b"}' WHERE username = $1`, [person.username])
  const asAdmin = await signIn(service, person)
  t.equal((await through('/', { headers: bearer(asAdmin.access) })).headers['x-auth-roles'], 'admin,a%2Cb')

  await post(`${service.url}/logout`, {}, { headers: bearer(access) })
  for (const headers of [{}, bearer(access), bearer(`${access}x`), { authorization: 'Basic eDp5' }, forged]) {
    for (const method of ['GET', 'POST']) {
      const refused = await fetch(`${proxy}/reports`, {
        method,
        headers,
        ...(method === 'POST' && { body: 'x' }),
      })
      t.equal(refused.status, 401)
      t.match(refused.headers.get('www-authenticate'), /^Bearer realm="keyturn"/)
      t.notMatch(await refused.text(), /"url"/, 'the application was not reached')
    }
  }
}

t.test(
  'a proxy that asks before it lets through is told who calls, and refuses everybody else',
  async (t) => {
    const service = await startApp(t)
    const app = await startApplication(t)
    await t.test('as nginx asks', async (t) =>
      guards(t, service, await startProxy(t, service.url, app, () => ({}))),
    )
    await t.test('as Caddy and Traefik ask', async (t) => {
      const about = ({ method = '' }) => ({
        'x-forwarded-method': method,
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'app.example',
        'x-forwarded-uri': '/reports?year=2026',
        'x-forwarded-for': '203.0.113.7',
        'x-forwarded-port': '443',
      })
      await guards(t, service, await startProxy(t, service.url, app, about))
    })
    await t.test('with headers from a trusted proxy that make no sense', async (t) => {
      const trusting = await startApp(t, { TRUST_PROXY: '127.0.0.0/8' }, { beside: service })
      const about = () => ({
        'x-forwarded-for': 'unknown, [::1]:80, ,',
        'x-forwarded-host': 'a b,/\\',
        'x-forwarded-proto': 'gopher,',
        'x-forwarded-method': 'BREW',
        'x-http-method-override': 'DELETE',
        'x-original-url': '/logoutall',
        'x-rewrite-url': '/logoutall',
      })
      await guards(t, trusting, await startProxy(t, trusting.url, app, about))
    })
  },
)

t.test(
  'a question with a body is answered as one without, and one by another method lets nobody through',
  async (t) => {
    const service = await startApp(t)
    const { access } = await signIn(service, await register(service))
    const statusOf = (method: string, body: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        const headers = { ...bearer(access), 'content-type': 'image/png', 'content-length': body.length }
        const question = ask(`${service.url}/check-auth-status`, { method, headers })
        question.on('response', (answer) => {
          answer.resume()
          resolve(answer.statusCode)
        })
        question.on('error', reject)
        question.end(body)
      })
    t.equal(await statusOf('GET', 'x'.repeat(5000)), 200)
    t.equal(await statusOf('HEAD', 'x'), 200)
    t.not(await statusOf('POST', 'x'), 200)
    for (const method of ['PUT', 'DELETE', 'PROPFIND', 'TRACE'])
      t.match(String(await statusOf(method, '')), /^40[045]$/, method)
  },
)

for (const [name, version, wanted] of [
  ['nginx', ['-V'], /http_auth_request_module/],
  ['caddy', ['version'], /^v?2/],
] as const) {
  // Debian keeps nginx where only root looks for it.
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` }
  const { stdout, stderr } = spawnSync(name, version, { env, encoding: 'utf8' })
  const isHere = wanted.test(`${stdout}${stderr}`)
  t.test(`the recipe for ${name} is whole${isHere ? ', and does what it says' : ''}`, async (t) => {
    const addresses = { proxy: 'P', keyturn: 'K', app: 'A' }
    const text = recipe(name, addresses)
    t.match(text, /K.*A.*P|P.*K.*A/s, 'it names all three')
    for (const header of ['X-Auth-User-Id', 'X-Auth-Username', 'X-Auth-Roles'])
      t.ok(
        text.split(header).length > 2 || text.includes(`proxy_set_header ${header}`),
        `it takes ${header} from nobody else`,
      )
    if (!isHere) return

    const service = await startApp(t)
    const app = await startApplication(t)
    const home = await mkdtemp(join(tmpdir(), `${name}-`))
    const probe = createServer().listen(0, '127.0.0.1')
    await once(probe, 'listening')
    const proxy = `127.0.0.1:${(probe.address() as AddressInfo).port}`
    probe.close()
    await once(probe, 'close')
    const settled = recipe(name, { proxy, keyturn: hostOf(service.url), app: hostOf(app) })
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (kind) => `${kind}_temp_path ${home}/${kind};`,
    )
    const config = {
      nginx: `daemon off; master_process off; pid ${home}/pid; error_log stderr; events {}
        http { access_log off; ${temporary.join(' ')} ${settled} }`,
      caddy: `{\n\tadmin off\n\tauto_https off\n}\n${settled}`,
    }[name]
    const file = join(home, 'config')
    await writeFile(file, config)
    const args = {
      nginx: ['-p', home, '-c', file, '-e', 'stderr'],
      caddy: ['run', '--adapter', 'caddyfile', '--config', file],
    }
    const child = spawn(name, args[name], {
      env: { ...env, HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (words: string) => {
      said += words
    })
    t.teardown(async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM')
        await once(child, 'exit')
      }
      await rm(home, { recursive: true, force: true })
    })
    await until(`${name} answers`, () => {
      if (child.exitCode !== null) throw new Error(`${name} did not start: ${said}`)
      return fetch(`http://${proxy}`).catch(() => undefined)
    })
    await guards(t, service, `http://${proxy}`)
    await service.app.close()
    const { status } = await fetch(`http://${proxy}`)
    t.ok(status >= 500, 'without Keyturn nobody passes')
  })
}
