import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { startEmbeddedPostgres } from '../src/store/embedded.ts'
import { migrate } from '../src/store/migrate.ts'

/**
 * What moving in takes: `node --import ./tools/ts.mjs bench/import.ts 1000000`; a word behind it picks the rows that have
 * it in their name. The command runs in a process of its
 * own, as an operator runs it, on a durable PostgreSQL beside it; memory is the most that the kernel has seen it hold.
 */
const users = Number(process.argv[2] ?? 1_000_000)
const only = process.argv[3] ?? ''
const home = await mkdtemp(join(tmpdir(), 'keyturn-bench-'))
const postgres = await startEmbeddedPostgres({ dataDir: join(home, 'data') })
try {
  const admin = await connect(postgres.url)
  const urlOf = (name: string) => {
    const url = new URL(postgres.url)
    url.pathname = `/${name}`
    return url.href
  }
  await admin.query('CREATE DATABASE django')
  const django = await connect(urlOf('django'))
  await django.query(`
    CREATE TABLE auth_user (id integer PRIMARY KEY, password varchar(128), last_login timestamptz, is_superuser boolean,
      username varchar(150) UNIQUE, first_name varchar(150), last_name varchar(150), email varchar(254),
      is_staff boolean, is_active boolean, date_joined timestamptz)`)
  await django.query(
    `INSERT INTO auth_user SELECT n, 'pbkdf2_sha256$600000$' || md5(n::text) || '$' || encode(sha256(n::text::bytea), 'base64'),
       now(), false, 'user' || n, 'Grace', 'Hopper', 'user' || n || '@example.org', false, true, now()
     FROM generate_series(1, $1::integer) n`,
    [users],
  )
  await django.end()

  const dump = join(home, 'users.sql')
  await pipeline(Readable.from(dumpLines()), createWriteStream(dump))
  const exported = join(home, 'users.jsonl')
  const rows: string[][] = []
  const measure = async (what: string, database: string, args: readonly string[]) => {
    if (!what.includes(only)) return
    const { seconds, megabytes } = await run(args, urlOf(database))
    rows.push([
      what,
      seconds.toFixed(1),
      Math.round(users / seconds).toLocaleString('en'),
      megabytes.toFixed(0),
    ])
  }
  for (const name of ['one', 'two', 'three']) {
    await admin.query(`CREATE DATABASE ${name}`)
    await migrate(urlOf(name))
  }
  await measure('import django, from its database', 'one', ['import', 'django', '--from', urlOf('django')])
  await measure('the same once more, all of it there', 'one', ['import', 'django', '--from', urlOf('django')])
  await measure('import django, from a dump', 'two', ['import', 'django', '--from', dump])
  await measure('export jsonl --with-hashes', 'one', ['export', 'jsonl', '--to', exported, '--with-hashes'])
  await measure('import jsonl', 'three', ['import', 'jsonl', '--from', exported])
  console.log(
    `${users.toLocaleString('en')} users; the dump has ${Math.round((await stat(dump)).size / 1e6)} MB`,
  )
  console.log(['what', 'seconds', 'users/s', 'MB at most'].join(' | '))
  for (const row of rows) console.log(row.join(' | '))
  await admin.end()
} finally {
  await postgres.stop()
  await rm(home, { recursive: true, force: true })
}

async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

function* dumpLines(): Generator<string> {
  yield 'COPY public.auth_user (id, password, last_login, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined) FROM stdin;\n'
  for (let n = 1; n <= users; n += 1) {
    const hash = `pbkdf2_sha256$600000$salt${n}$${Buffer.alloc(32, n).toString('base64')}`
    yield `${n}\t${hash}\t\\N\tf\tuser${n}\tGrace\tHopper\tuser${n}@example.org\tf\tt\t2024-01-02 03:04:05.678901+00\n`
  }
  yield '\\.\n'
}

async function run(
  args: readonly string[],
  databaseUrl: string,
): Promise<{ seconds: number; megabytes: number }> {
  const start = performance.now()
  const child = spawn(process.execPath, ['--import', './tools/ts.mjs', 'src/cli.ts', ...args], {
    env: { PATH: process.env['PATH'], DATABASE_URL: databaseUrl },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  let kilobytes = 0
  const timer = setInterval(async () => {
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '')
    kilobytes = Math.max(kilobytes, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0))
  }, 100)
  const [code] = await once(child, 'exit')
  clearInterval(timer)
  if (code !== 0) throw new Error(`keyturn ${args[0]} ended with ${code}`)
  return { seconds: (performance.now() - start) / 1000, megabytes: kilobytes / 1024 }
}
