import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'

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
  const child = spawn(process.execPath, ['--import', './tools/ts.mjs', 'src/server.ts'], {
    env: { PATH: process.env['PATH'], TMPDIR: tmpdir(), PORT: '0', BCRYPT_COST: '4', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
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
  while ((await processesIn(directory)).length > 0) await new Promise((resolve) => setImmediate(resolve))
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
