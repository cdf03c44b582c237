// `npm test`: one PostgreSQL for the whole run, one migrated template in it, then tap with our arguments.
import './ts.mjs'
import { spawn } from 'node:child_process'
import { access, chmod, constants, mkdir, mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { groupTests } from './groups.mjs'
import { writePlain } from './plain.mjs'

const TEMPLATE = 'keyturn_template'
/** Bytes; a run uses a third of it. */
const MEMORY_WANTED = 3 * 1024 ** 3
const { startEmbeddedPostgres } = await import('../src/store/embedded.ts')
const { migrate } = await import('../src/store/migrate.ts')

let ending
let tap
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    ending = signal
    stopTap(signal)
  })
}

// Everything of this run lies below one directory, temporary files of killed tests too, and goes with it.
const home = await mkdtemp(join(await roomiest(), 'keyturn-test-'))
let postgres
try {
  // Databases of tests live for seconds; an autovacuum that happens upon one would hold old row versions while a test counts them.
  const settings = { autovacuum: 'off' }
  postgres = await startEmbeddedPostgres({ dataDir: join(home, 'data'), durable: false, settings })
  await makeTemplate(postgres.url)
  await writePlain()
  const temporary = join(home, 'tmp')
  await mkdir(temporary)
  // Passable, because tests that run as root start a Postgres as somebody else.
  for (const directory of [home, temporary]) await chmod(directory, 0o711)
  if (!ending) process.exitCode = await runTap(postgres.url, temporary)
} finally {
  await postgres?.stop()
  await rm(home, { recursive: true, force: true, maxRetries: 3 })
}
// By the signal itself, so that a shell loop around us sees it and stops too.
if (ending) {
  process.removeAllListeners(ending)
  process.kill(process.pid, ending)
}

/** Memory where there is enough: a test's own database is 300 new files, of which a disk makes ten times the work. */
async function roomiest() {
  const memory = '/dev/shm'
  try {
    await access(memory, constants.W_OK)
    const { bavail, bsize } = await statfs(memory)
    if (bavail * bsize >= MEMORY_WANTED) return memory
  } catch {
    // Not every system has it.
  }
  return tmpdir()
}

async function makeTemplate(adminUrl) {
  const client = new pg.Client(adminUrl)
  await client.connect()
  await client.query(`create database ${TEMPLATE}`)
  await client.end()
  const url = new URL(adminUrl)
  url.pathname = `/${TEMPLATE}`
  await migrate(url.href)
}

function inside(path) {
  return fileURLToPath(new URL(path, import.meta.url))
}

/** The exit code of tap, which writes to our own stdout: its reporter has the last word. */
async function runTap(adminUrl, temporary) {
  const entry = inside('../node_modules/tap/dist/esm/run.mjs')
  const args = process.argv.slice(2)
  const named = args.some((arg) => !arg.startsWith('-'))
  const all = named ? [] : await groupTests(inside('../test'), inside('../node_modules/.cache/keyturn-tests'))
  tap = spawn(process.execPath, [entry, ...args, ...all], {
    stdio: 'inherit',
    // A process group of its own: tap passes a signal on, but its test files wait for a second one.
    detached: true,
    env: { ...process.env, TEST_DATABASE_URL: adminUrl, TEST_TEMPLATE: TEMPLATE, TMPDIR: temporary },
  })
  return new Promise((resolve, reject) => {
    tap.once('error', reject)
    tap.once('exit', (code) => resolve(code ?? 1))
  })
}

/** Asks tap and all its test files to end; whoever is deaf to it is killed after 3 seconds. */
function stopTap(signal) {
  if (!tap || tap.exitCode !== null || tap.signalCode !== null) return
  process.kill(-tap.pid, signal)
  setTimeout(() => tap.exitCode ?? tap.signalCode ?? process.kill(-tap.pid, 'SIGKILL'), 3_000).unref()
}
