// `npm test`: one PostgreSQL for the whole run, one migrated template in it, then tap with our arguments.
import './ts.mjs'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'

const TEMPLATE = 'keyturn_template'
const { startEmbeddedPostgres } = await import('../src/store/embedded.ts')
const { migrate } = await import('../src/store/migrate.ts')

let ending
let tap
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    ending = signal
    tap?.kill(signal)
  })
}

const dataDir = await mkdtemp(join(tmpdir(), 'keyturn-test-'))
let postgres
try {
  postgres = await startEmbeddedPostgres({ dataDir, durable: false })
  await makeTemplate(postgres.url)
  if (!ending) process.exitCode = await runTap(postgres.url)
} finally {
  await postgres?.stop()
  await rm(dataDir, { recursive: true, force: true, maxRetries: 3 })
}
// By the signal itself, so that a shell loop around us sees it and stops too.
if (ending) {
  process.removeAllListeners(ending)
  process.kill(process.pid, ending)
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

/** The exit code of tap, which writes to our own stdout: its reporter has the last word. */
function runTap(adminUrl) {
  const entry = fileURLToPath(new URL('../node_modules/tap/dist/esm/run.mjs', import.meta.url))
  tap = spawn(process.execPath, [entry, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, TEST_DATABASE_URL: adminUrl, TEST_TEMPLATE: TEMPLATE },
  })
  return new Promise((resolve, reject) => {
    tap.once('error', reject)
    tap.once('exit', (code) => resolve(code ?? 1))
  })
}
