import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { Agent, get } from 'node:http'
import type { Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'
import { plain } from '../tools/plain.mjs'
import { TEST_SECRETS } from './helpers/app.ts'
import { gateTo } from './helpers/gate.ts'
import { createTestDatabase } from './helpers/postgres.ts'
import { keepPrinted } from './helpers/run-log.ts'
import { until } from './helpers/until.ts'

interface Started {
  readonly process: ChildProcess
  readonly output: () => string
  /** The line that the service prints to try it. */
  readonly curl: RegExpExecArray
}

const CURL = /curl -s (http:\/\/127\.0\.0\.1:\d+)\/token -d username=(\S+) -d password=(\S+)/

async function dataDirectory(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'keyturn-server-'))
  t.teardown(async () => {
    await untilNothingRunsIn(directory)
    await rm(directory, { recursive: true, force: true })
  })
  return directory
}

function spawnServer(
  t: Test,
  settings: Record<string, string>,
): { process: ChildProcess; output: () => string } {
  const child = spawn(process.execPath, [plain('src/server.ts')], {
    env: { PATH: process.env['PATH'], TMPDIR: tmpdir(), PORT: '0', BCRYPT_COST: '4', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  keepPrinted(child.stdout)
  let printed = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text) => (printed += text))
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  })
  return { process: child, output: () => printed }
}

function start(t: Test, settings: Record<string, string>): Promise<Started> {
  const server = spawnServer(t, settings)
  return new Promise((resolve, reject) => {
    server.process.once('exit', () => reject(new Error(`the service ended: ${server.output()}`)))
    server.process.stdout?.on('data', () => {
      const curl = CURL.exec(server.output())
      if (curl !== null) resolve({ ...server, curl })
    })
  })
}

/** Signs in as the printed line says. */
async function signInAsPrinted([, url = '', username = '', password = '']: RegExpExecArray): Promise<number> {
  const response = await fetch(`${url}/token`, {
    method: 'POST',
    body: new URLSearchParams({ username, password }),
  })
  return response.status
}

/** Ids of the processes that work in the directory, Postgres' own among them; of this machine's /proc. */
async function processesIn(directory: string): Promise<string[]> {
  const ids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(
    ids.map(async (id) => {
      const [cwd, state] = await Promise.all([
        readlink(`/proc/${id}/cwd`).catch(() => ''),
        readFile(`/proc/${id}/stat`, 'utf8').catch(() => ''),
      ])
      return cwd.startsWith(directory) && !/\) Z /.test(state) ? [id] : []
    }),
  )
  return found.flat()
}

async function untilNothingRunsIn(directory: string): Promise<void> {
  await until('no process is left', async () => (await processesIn(directory)).length === 0)
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  t.test(
    `${signal} ends the service and its database, and the next start finds everything as it was`,
    async (t) => {
      const directory = await dataDirectory(t)
      const first = await start(t, { DATA_DIR: directory })
      t.equal(await signInAsPrinted(first.curl), 200)
      first.process.kill(signal)
      t.same(await once(first.process, 'exit'), [0, null])
      t.same(await processesIn(directory), [], 'nothing is left running')

      const second = await start(t, { DATA_DIR: directory })
      t.equal(second.curl[3], first.curl[3], 'the password of the demo user is still the same')
      t.equal(await signInAsPrinted(second.curl), 200)
    },
  )
}

t.test('a second start on one DATA_DIR is refused in words, and the first goes on', async (t) => {
  const directory = await dataDirectory(t)
  const first = await start(t, { DATA_DIR: directory })
  const second = spawnServer(t, { DATA_DIR: directory })
  t.same(await once(second.process, 'exit'), [1, null])
  t.match(second.output(), /is in use by/)
  t.match(second.output(), /DATA_DIR/)
  t.equal(await signInAsPrinted(first.curl), 200)
})

t.test('kill -9 leaves nothing running, and the next start recovers', async (t) => {
  const directory = await dataDirectory(t)
  const first = await start(t, { DATA_DIR: directory })
  first.process.kill('SIGKILL')
  await once(first.process, 'exit')
  const second = await start(t, { DATA_DIR: directory })
  t.equal(await signInAsPrinted(second.curl), 200)
  second.process.kill('SIGKILL')
  await once(second.process, 'exit')
  await untilNothingRunsIn(directory)
  t.same(await processesIn(directory), [])
})

t.test('wrong settings end the start with 78 and are named, all of them', async (t) => {
  const { process: child, output } = spawnServer(t, {
    ACCESS_TTL: '900',
    EMAIL_VERIFICATON: 'off',
    PORT: 'x',
  })
  t.same(await once(child, 'exit'), [78, null])
  t.match(output(), /ACCESS_TTL/)
  t.match(output(), /PORT/)
  t.match(output(), /EMAIL_VERIFICATON.*did you mean EMAIL_VERIFICATION/is)
})

t.test('production starts nothing of its own', async (t) => {
  const directory = await dataDirectory(t)
  const { process: child, output } = spawnServer(t, {
    NODE_ENV: 'production',
    DATA_DIR: directory,
    BCRYPT_COST: '12',
  })
  t.same(await once(child, 'exit'), [78, null])
  for (const name of ['DATABASE_URL', 'JWT_SECRETS', 'SERVER_SECRETS', 'PUBLIC_URL', 'SMTP_URL'])
    t.match(output(), name)
  t.same(await readdir(directory), [])
})

t.test('a port that is taken is said in words, and the database does not stay behind', async (t) => {
  const first = await start(t, { DATA_DIR: await dataDirectory(t) })
  const directory = await dataDirectory(t)
  const second = spawnServer(t, { DATA_DIR: directory, PORT: new URL(first.curl[1] ?? '').port })
  t.same(await once(second.process, 'exit'), [1, null])
  t.match(second.output(), /port is taken/)
  t.same(await processesIn(directory), [])
})

interface Served {
  readonly process: ChildProcess
  readonly url: URL
  readonly pool: Awaited<ReturnType<typeof createTestDatabase>>['pool']
  /** A connection to it, and all that has come by it so far. */
  connect(): Promise<{ readonly socket: Socket; readonly received: () => string }>
}

/** The service over a database that is there already, which is what a signal finds in production. */
async function serve(t: Test, settings: Record<string, string> = {}): Promise<Served> {
  const { url: databaseUrl, pool } = await createTestDatabase(t)
  const server = spawnServer(t, { NODE_ENV: 'test', DATABASE_URL: databaseUrl, ...TEST_SECRETS, ...settings })
  const url = await new Promise<URL>((resolve, reject) => {
    server.process.once('exit', () => reject(new Error(`the service ended: ${server.output()}`)))
    server.process.stdout?.on('data', () => {
      const [, address] = /Docs +(http:\S+)\/docs/.exec(server.output()) ?? []
      if (address !== undefined) resolve(new URL(address))
    })
  })
  return {
    process: server.process,
    url,
    pool,
    async connect() {
      const socket = connect(Number(url.port), url.hostname)
      let received = ''
      socket.setEncoding('utf8').on('data', (text) => (received += text))
      socket.on('error', () => undefined)
      t.teardown(() => socket.destroy())
      await once(socket, 'connect')
      return { socket, received: () => received }
    },
  }
}

/** The exit of the process after a signal, and how long it took. */
async function ended(child: ChildProcess, send: () => unknown): Promise<{ exit: unknown[]; ms: number }> {
  const began = performance.now()
  const exit = once(child, 'exit')
  send()
  return { exit: await exit, ms: performance.now() - began }
}

const LIVE = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n'

t.test('what is in flight when the signal comes is answered, and then the process ends', async (t) => {
  const service = await serve(t, { BCRYPT_COST: '12' })
  const connections = await Promise.all(Array.from({ length: 2 }, () => service.connect()))
  const body = JSON.stringify({ username: 'nobody', password: 'a guess' })
  for (const { socket, received } of connections) {
    // The connection is one that is kept alive: it has had an answer before.
    socket.write(LIVE)
    await until('it is answered', () => received().includes('"live"'))
    socket.write(
      `POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}${LIVE.repeat(6)}`,
    )
  }
  const counted = async () => (await service.pool.query('SELECT count FROM counters')).rows[0]?.count
  await until('both are at work', async () => (await counted()) === 2)
  const end = await ended(service.process, () => service.process.kill('SIGTERM'))
  t.same(end.exit, [0, null])
  t.ok(end.ms < 12_000, `after ${Math.round(end.ms)} ms`)
  for (const { received } of connections) {
    const [, answer = '', ...behind] = received().split(/(?=HTTP\/1\.1 )/)
    t.match(answer, /^HTTP\/1\.1 401 /)
    t.match(answer, /"code":"invalid_credentials"/)
    t.equal(behind.length, 6, 'as is what waits behind it, by the same connection')
    t.match(behind.at(-1), /^connection: close\r$/im, 'and told not to come back')
  }
})

t.test('connections without a request do not hold up the end', async (t) => {
  const service = await serve(t)
  const [waiting, halfway, keptAlive] = [
    await service.connect(),
    await service.connect(),
    await service.connect(),
  ]
  halfway.socket.write('GET /health/live HTTP/1.1\r\nHost:')
  keptAlive.socket.write(LIVE)
  await once(keptAlive.socket, 'data')
  const end = await ended(service.process, () => service.process.kill('SIGTERM'))
  t.same(end.exit, [0, null])
  t.ok(end.ms < 5000, `after ${Math.round(end.ms)} ms`)
  t.equal(waiting.received() + halfway.received(), '')
})

t.test('a signal that comes twice ends the process once, and well', async (t) => {
  for (const [first, second] of [
    ['SIGINT', 'SIGINT'],
    ['SIGINT', 'SIGTERM'],
  ] as const) {
    const service = await serve(t)
    const end = await ended(service.process, () => {
      service.process.kill(first)
      setTimeout(() => service.process.kill(second), 5)
    })
    t.same(end.exit, [0, null])
  }
})

t.test(
  'METRICS_PORT that is taken ends the start with 78 and says so; one that is free ends with the service',
  async (t) => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const address = taken.address()
    const port = typeof address === 'object' && address !== null ? String(address.port) : ''
    const { url } = await createTestDatabase(t)
    const settings = { DATABASE_URL: url, NODE_ENV: 'test', METRICS_PORT: port, ...TEST_SECRETS }
    const refused = spawnServer(t, settings)
    t.same(await once(refused.process, 'exit'), [78, null])
    t.match(refused.output(), /METRICS_PORT is taken\. Set another METRICS_PORT, or stop what uses it\.\n/)
    taken.close()
    await once(taken, 'close')

    const service = await serve(t, { METRICS_PORT: port })
    const scraper = new Agent({ keepAlive: true })
    t.teardown(() => scraper.destroy())
    const scrape = async () => {
      const [answer] = await once(get({ port, path: '/metrics', agent: scraper }), 'response')
      answer.resume()
      return answer.statusCode
    }
    t.equal(await scrape(), 200)
    const end = await ended(service.process, () => service.process.kill('SIGTERM'))
    t.same(end.exit, [0, null])
    t.ok(end.ms < 5000, `a scraper that stays connected does not hold it up: ${Math.round(end.ms)} ms`)
  },
)

t.test('SIGHUP has the keys read again where they come from a file, and nothing ends', async (t) => {
  const file = join(await mkdtemp(join(tmpdir(), 'keyturn-server-')), 'jwt')
  t.teardown(() => rm(join(file, '..'), { recursive: true, force: true }))
  await writeFile(file, TEST_SECRETS.JWT_SECRETS, { mode: 0o600 })
  const service = await serve(t, { JWT_SECRETS: '', JWT_SECRETS_FILE: file })
  const read = async () => (await fetch(new URL('/metrics', service.url))).text()
  t.match(await read(), /key_reloads_total\{outcome="done"\} 0/)
  service.process.kill('SIGHUP')
  await until('they are read', async () => /key_reloads_total\{outcome="done"\} 1/.test(await read()))
  t.equal(service.process.exitCode, null)
})

t.test('SIGHUP of a terminal that is closed ends a service without key files', async (t) => {
  const service = await serve(t)
  t.same((await ended(service.process, () => service.process.kill('SIGHUP'))).exit, [0, null])
})

t.test('a PgBouncer that refuses the limits is named, with where to read on', async (t) => {
  const { url } = await createTestDatabase(t)
  const gate = new URL((await gateTo(t, url)).url)
  const pooler = createServer((client) => {
    client.on('error', () => undefined)
    client.once('data', (startup) => {
      if (startup.includes('statement_timeout'))
        return client.end(refusal('unsupported startup parameter: x'))
      const database = connect(Number(gate.port), gate.hostname)
      database.on('error', () => undefined)
      database.write(startup)
      client.pipe(database).pipe(client)
    })
  }).listen(0, '127.0.0.1')
  t.teardown(() => pooler.close())
  await once(pooler, 'listening')
  const address = pooler.address()
  const way = new URL(gate)
  way.port = String(typeof address === 'object' ? address?.port : '')
  const { process: child, output } = spawnServer(t, {
    ...{ DATABASE_URL: way.href, NODE_ENV: 'test' },
    ...TEST_SECRETS,
  })
  t.same(await once(child, 'exit'), [1, null])
  t.match(output(), /PgBouncer .+ \(unsupported startup parameter: x\)\. README\.md says under "PgBouncer"/)
})

/** An ErrorResponse of PostgreSQL's protocol. */
function refusal(message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0C08P01\0M${message}\0\0`)
  const head = Buffer.alloc(5)
  head.write('E')
  head.writeInt32BE(fields.length + 4, 1)
  return Buffer.concat([head, fields])
}

t.test('a weak key ends the start with 78, and is not printed', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'keyturn-server-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const jwk = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ format: 'jwk' })
  await writeFile(join(directory, 'weak.json'), JSON.stringify({ keys: [{ ...jwk, kid: 'a' }] }))
  const wrong: [RegExp, string, Record<string, string>][] = [
    [/JWT_SECRETS has no kid/, 'hunter2-hunter2', { JWT_SECRETS: 'hunter2-hunter2' }],
    [/SERVER_SECRETS is 5 bytes/, 'c2hvcnQ', { SERVER_SECRETS: 'k1:c2hvcnQ' }],
    [/1024 bits/, String(jwk.d), { JWT_PRIVATE_KEYS_FILE: join(directory, 'weak.json') }],
  ]
  for (const [problem, secret, settings] of wrong) {
    const { process: child, output } = spawnServer(t, settings)
    t.same(await once(child, 'exit'), [78, null])
    t.match(output(), problem)
    t.notOk(output().includes(secret))
  }
})
