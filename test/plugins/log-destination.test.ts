import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, existsSync, openSync, readSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'
import { createLogDestination } from '../../src/plugins/log-destination.ts'
import { plain } from '../../tools/plain.mjs'
import { TEST_SECRETS } from '../helpers/app.ts'
import { freePort } from '../helpers/free-port.ts'
import { directory } from '../helpers/keys.ts'
import { createTestDatabase } from '../helpers/postgres.ts'
import { pipeline } from '../helpers/raw.ts'
import { until } from '../helpers/until.ts'

/** A pipe with a name: who writes and who reads come and go as the test says. */
async function pipeIn(t: Test) {
  const path = join(await directory(t), 'pipe')
  execFileSync('mkfifo', [path])
  let reader: number | undefined
  const piece = Buffer.alloc(2 ** 16)
  const pipe = {
    /** Everything that was read, of all readers. */
    text: '',
    open: () => (reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)),
    openWriter: (flags = 0) => openSync(path, constants.O_WRONLY | flags),
    /** Reads what is there now. */
    read() {
      try {
        for (let n = 1; n > 0; ) {
          n = readSync(reader ?? -1, piece)
          pipe.text += piece.toString('utf8', 0, n)
        }
      } catch {
        // EAGAIN: nothing more for now.
      }
    },
    close() {
      if (reader !== undefined) closeSync(reader)
      reader = undefined
    },
    lines: () => pipe.text.trimEnd().split('\n'),
  }
  pipe.open()
  t.teardown(pipe.close)
  return pipe
}

/** Opens what takes no byte: what was not opened for writing, and a full disk where the system has one to open. */
async function takingNothing(t: Test): Promise<(() => number)[]> {
  const file = join(await directory(t), 'file')
  writeFileSync(file, '')
  return [() => openSync(file, 'r'), ...(existsSync('/dev/full') ? [() => openSync('/dev/full', 'w')] : [])]
}

const line = (n: number) => `line ${String(n).padStart(94, '0')}\n`
const numbers = (lines: readonly string[]) => lines.map((text) => Number(text.slice(5)))
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at)

t.test(
  'a disk that takes nothing costs lines and nothing else, and each that is lost is counted',
  async (t) => {
    for (const open of await takingNothing(t)) {
      // Never closed, for a log goes on trying, and the next file would have the number.
      const log = createLogDestination(open(), 1000)
      for (const n of range(0, 25)) log.write(line(n))
      await new Promise((resolve) => setImmediate(resolve))
      for (const n of range(25, 30)) log.write(line(n))
      t.match(log, { lost: 20, waiting: 1000 })
      const began = performance.now()
      log.flush(50)
      t.ok(performance.now() - began < 1000, 'the end of the process does not wait for it')
    }
  },
)

t.test(
  'lines that nobody reads wait; those that are lost are counted, and said when lines are taken again',
  async (t) => {
    const pipe = await pipeIn(t)
    const log = createLogDestination(pipe.openWriter(constants.O_NONBLOCK), 20_000)
    const told: number[] = []
    log.onResumed((lost) => {
      told.push(lost)
      log.write('told\n')
    })
    let written = 0
    await until('a hundred are lost', () => {
      for (const n of range(written, written + 50)) log.write(line(n))
      written += 50
      return log.lost >= 100
    })
    t.ok(log.waiting <= 20_000)
    t.same(told, [])
    const { lost } = log
    await until('all was read', () => {
      pipe.read()
      return log.waiting === 0 && told.length > 0 && pipe.text.endsWith('told\n')
    })
    t.same(told, [lost])
    t.same(
      numbers(pipe.lines().slice(0, -1)),
      range(0, written - lost),
      'whole, in order, without a gap but the one that is told',
    )
    log.write('after\n')
    log.flush(50)
    pipe.read()
    t.ok(pipe.text.endsWith('told\nafter\n'))
  },
)

t.test('a line that is longer than all that may wait is lost alone', async (t) => {
  const pipe = await pipeIn(t)
  const log = createLogDestination(pipe.openWriter(constants.O_NONBLOCK), 1000)
  const told: number[] = []
  log.onResumed((lost) => told.push(lost))
  log.write('x'.repeat(1001))
  await until('it is told', () => told.length > 0)
  t.same(told, [1])
  log.write('after\n')
  log.flush(50)
  pipe.read()
  t.equal(pipe.text, 'after\n')
})

t.test('a reader that goes and comes again misses nothing that fits', async (t) => {
  const pipe = await pipeIn(t)
  const log = createLogDestination(pipe.openWriter(constants.O_NONBLOCK))
  log.write('one\n')
  log.flush(0)
  pipe.read()
  pipe.close()
  log.write('two\n')
  log.flush(0)
  t.equal(log.waiting, 4)
  pipe.open()
  log.write('three\n')
  await until('it was tried again', () => log.waiting === 0)
  pipe.read()
  t.match({ text: pipe.text, lost: log.lost }, { text: 'one\ntwo\nthree\n', lost: 0 })
})

interface Spawned {
  readonly stdout: number
  readonly settings?: Readonly<Record<string, string>>
}

/** The service as a process of its own, on a port that is known without its log. A defect comes with SIGUSR2. */
async function spawnService(t: Test, { stdout, settings = {} }: Spawned) {
  const port = await freePort()
  const { url: databaseUrl } = await createTestDatabase(t)
  const defect = "data:text/javascript,process.on('SIGUSR2', () => { throw new Error('a defect') })"
  const child = spawn(process.execPath, ['--import', defect, plain('src/server.ts')], {
    env: {
      PATH: process.env['PATH'],
      ...{ TMPDIR: tmpdir(), DATABASE_URL: databaseUrl, PORT: String(port), BCRYPT_COST: '4' },
      ...{ ...TEST_SECRETS, ...settings },
    },
    stdio: ['ignore', stdout, 'pipe'],
  })
  closeSync(stdout)
  t.teardown(() => child.kill('SIGKILL'))
  const url = `http://127.0.0.1:${port}`
  return {
    child,
    ended: once(child, 'exit'),
    ready: () => until('it is ready', async () => (await statusOf(`${url}/health/ready`)) === 200),
    /** How many were answered of so many status requests, sent as fast as they are taken. */
    async ask(count: number): Promise<number> {
      const trace = `Traceparent: 00-${'1'.repeat(32)}-${'2'.repeat(16)}-00\r\nX-Request-Id: ${'3'.repeat(64)}`
      const request = `GET /health/live HTTP/1.1\r\nHost: keyturn\r\n${trace}\r\n\r\n`
      const last = request.replace('\r\n', '\r\nConnection: close\r\n')
      const statuses = await pipeline(url, [...Array<string>(count - 1).fill(request), last])
      return statuses.filter((status) => status === 200).length
    },
    async metric(name: string): Promise<number> {
      const text = await (await fetch(`${url}/metrics`)).text()
      return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
    },
  }
}

const statusOf = (url: string) =>
  fetch(url).then(
    (answer) => answer.status,
    () => 0,
  )

/** So many lines, of 300 bytes or more, are more than a pipe and the memory for the log hold. */
const MANY = 3600
/** What one connection may bring. */
const AT_ONCE = 900
const LOST = 'keyturn_log_lines_lost_total'

t.test(
  'a service whose log nobody reads answers all the same, and says what it lost when somebody does',
  async (t) => {
    const pipe = await pipeIn(t)
    const service = await spawnService(t, { stdout: pipe.openWriter() })
    await service.ready()
    let answered = 0
    for (let asked = 0; asked < MANY; asked += AT_ONCE) answered += await service.ask(AT_ONCE)
    t.equal(answered, MANY)
    const lost = await service.metric(LOST)
    t.ok(lost > 0 && lost < MANY, `${lost} lines are lost`)
    t.ok((await service.metric('keyturn_log_waiting_bytes')) > 2 ** 19)

    await until('it says what it lost', () => {
      pipe.read()
      return pipe.text.includes('lines of the log were lost')
    })
    const logged = pipe.lines().filter((text) => text.startsWith('{'))
    const [told] = logged
      .map((text) => JSON.parse(text))
      .filter(({ msg }) => msg === 'lines of the log were lost')
    t.match(told, { level: 40, lost: Number })
    t.ok(told.lost >= lost, 'those that were told are those that were counted')
    const ofRequests = logged.filter((text) => text.includes('"route":"/health/live"'))
    t.ok(ofRequests.length + told.lost >= MANY, 'every other line is there')

    pipe.close()
    t.equal(await service.ask(10), 10, 'the reader has gone, which ends nothing')
    pipe.open()
    service.child.kill('SIGUSR2')
    await until('its last words are read', () => {
      pipe.read()
      return pipe.text.includes('ending after a defect')
    })
    t.same(await service.ended, [1, null])
    const left = pipe.lines().filter((text) => text.includes('"route":"/health/live"'))
    t.equal(left.length, ofRequests.length + 10, 'nothing of what the next reader may have is lost')
  },
)

t.test(
  'a service whose log is on a full disk answers, counts what it lost, and ends when it is told to',
  async (t) => {
    const open = (await takingNothing(t)).at(-1)
    const service = await spawnService(t, { stdout: open?.() ?? -1 })
    // Nobody hears what it says there either.
    service.child.stderr?.destroy()
    await service.ready()
    let answered = 0
    for (let asked = 0; asked < MANY; asked += AT_ONCE) answered += await service.ask(AT_ONCE)
    t.equal(answered, MANY)
    t.ok((await service.metric(LOST)) > 0)
    const began = performance.now()
    service.child.kill('SIGTERM')
    t.same(await service.ended, [0, null])
    t.ok(performance.now() - began < 10_000)
  },
)

t.test(
  'a start that fails leaves the lines that it has logged, for a reader that comes late too',
  async (t) => {
    const pipe = await pipeIn(t)
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    t.teardown(() => taken.close())
    const address = taken.address()
    const port = typeof address === 'object' && address !== null ? String(address.port) : ''
    const service = await spawnService(t, {
      stdout: pipe.openWriter(),
      settings: { PORT: port, METRICS_PORT: '0' },
    })
    t.same(await service.ended, [1, null])
    pipe.read()
    t.match(pipe.text, /metrics are listened for/)
  },
)

t.test('a verb of the command that cannot write down its answer fails, and says why', async (t) => {
  const stdout = (await takingNothing(t)).at(-1)?.() ?? -1
  const child = spawn(process.execPath, [plain('src/cli.ts'), 'settings'], {
    stdio: ['ignore', stdout, 'pipe'],
  })
  closeSync(stdout)
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text) => (said += text))
  t.same(await once(child, 'close'), [74, null])
  t.match(said, /^Standard output takes no more: E[A-Z]+/)
})
