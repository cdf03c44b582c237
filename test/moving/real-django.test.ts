import type { ChildProcess } from 'node:child_process'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { decodeJwt } from 'jose'
import pg from 'pg'
import type { Test } from 'tap'
import t from 'tap'
import { readConfig } from '../../src/config.ts'
import { startApp } from '../helpers/app.ts'
import { bareEnvironment, keyturn } from '../helpers/cli.ts'
import { fillDjango, ONE_OF_EACH, PASSWORD } from '../helpers/django.ts'
import { createTestDatabase } from '../helpers/postgres.ts'

/**
 * A Django project with simplejwt is replaced on a copy of its database. Where Django is not installed, the hashes that
 * one has made before stand in for it. On Debian: python3-django, python3-djangorestframework-simplejwt,
 * python3-psycopg2, python3-argon2, python3-bcrypt.
 */
const PROJECT = fileURLToPath(new URL('../fixtures/django/project.py', import.meta.url))

interface User {
  readonly id: number
  readonly username: string
  readonly password: string
}

/** The client, which knows nothing of what is behind the URL. */
async function signIn(base: string, { username, password }: Omit<User, 'id'>) {
  const answer = await fetch(`${base}/api/token/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username, password }),
  })
  if (answer.status !== 200) return answer.status
  const { access, refresh } = (await answer.json()) as { access: string; refresh: string }
  return { id: userIdOf(access), refresh }
}

/** A number here; simplejwt has made a text of it since 5.4, and its readers take both. */
function userIdOf(access: string): number {
  return Number(decodeJwt(access)['user_id'])
}

async function refresh(base: string, token: string): Promise<unknown> {
  const answer = await fetch(`${base}/api/token/refresh/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ refresh: token }),
  })
  const { access } = (await answer.json()) as { access: string }
  return userIdOf(access)
}

t.test('every user of a Django project signs in at Keyturn, the same client, password and id', async (t) => {
  const original = await createTestDatabase(t, 'template1')
  const python = await findPython()
  t.comment(python === undefined ? 'without Django: its recorded hashes stand in' : `Django of ${python}`)
  const users =
    python === undefined ? await standIn(original.pool) : await realProject(t, python, original.url)
  t.ok(users.length >= 5, 'a user for each hasher')

  const copy = await copyOf(t, original.url)
  const service = await startApp(t, { DIALECTS: mounts(), EMAIL_VERIFICATION: 'optional' })
  const ran = await keyturn(['import', 'django', '--from', copy, '--json'], {
    DATABASE_URL: service.databaseUrl,
  })
  t.equal(ran.code, 0, ran.stderr)
  t.match(JSON.parse(ran.stdout), {
    imported: users.length + 1,
    remarks: { password_unusable: { count: 1 } },
  })

  for (const user of users) {
    t.equal(await signIn(service.url, { ...user, password: 'wrong' }), 401)
    const session = await signIn(service.url, user)
    t.match(session, { id: user.id }, user.username)
    if (typeof session === 'object' && mounts().includes('simplejwt'))
      t.equal(await refresh(service.url, session.refresh), user.id)
  }
  const { rows } = await service.app.database.pool.query(
    `SELECT count(*)::int AS left FROM users WHERE password_hash NOT LIKE 'bcrypt_sha256$$2b$04$%' AND password_hash !~ '^!'`,
  )
  t.strictSame(rows, [{ left: 0 }], 'and no hash is Django\u2019s any more')
  const letters = await service.app.database.pool.query('SELECT count(*)::int AS n FROM outbox')
  t.strictSame(letters.rows, [{ n: 0 }], 'and nobody gets a letter about it')
})

/** The dialect of these clients at the place of the original. Our own says the same for a sign-in, and no more. */
function mounts(): string {
  const wanted = 'canonical=/,simplejwt=/api'
  try {
    readConfig({ NODE_ENV: 'test', DIALECTS: wanted, EMAIL_VERIFICATION: 'optional' })
    return wanted
  } catch {
    return 'canonical=/api'
  }
}

async function findPython(): Promise<string | undefined> {
  for (const python of ['python3', '/usr/bin/python3']) {
    const modules = 'django, rest_framework_simplejwt, psycopg2, argon2, bcrypt'
    const found = await promisify(execFile)(python, ['-c', `import ${modules}`], {
      env: bareEnvironment(),
    }).then(
      () => true,
      () => false,
    )
    if (found) return python
  }
  return undefined
}

async function realProject(t: Test, python: string, databaseUrl: string): Promise<User[]> {
  const options = { env: { ...bareEnvironment(), DATABASE_URL: databaseUrl }, timeout: 60_000 }
  await promisify(execFile)(python, [PROJECT, 'migrate'], options)
  const { stdout } = await promisify(execFile)(python, [PROJECT, 'fill'], options)
  const users: User[] = JSON.parse(stdout)

  const server = spawn(python, [PROJECT, 'serve'], { ...options, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => stop(server))
  const [line] = await once(server.stdout, 'data')
  const base = String(line).trim()
  for (const user of users) {
    const session = await signIn(base, user)
    t.match(session, { id: user.id }, `${user.username}, at Django`)
    if (typeof session === 'object') t.equal(await refresh(base, session.refresh), user.id)
  }
  await stop(server)
  return users
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

async function standIn(pool: pg.Pool): Promise<User[]> {
  const users = ONE_OF_EACH.map(({ kind, hash }, index) => ({
    id: 3 * index + 1,
    username: kind,
    password: hash,
  }))
  await fillDjango(pool, [...users, { id: 99, username: 'unusable', password: '!unusable' }])
  return users.map(({ id, username }) => ({ id, username, password: PASSWORD }))
}

/** A copy by Postgres itself. Nobody may be connected to the original meanwhile. */
async function copyOf(t: Test, url: string): Promise<string> {
  const admin = new pg.Client(process.env['TEST_DATABASE_URL'])
  await admin.connect()
  const name = new URL(url).pathname.slice(1)
  await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name])
  await admin.query(`CREATE DATABASE ${name}_copy TEMPLATE ${name}`)
  t.teardown(async () => {
    await admin.query(`DROP DATABASE ${name}_copy WITH (FORCE)`)
    await admin.end()
  })
  const copy = new URL(url)
  copy.pathname = `/${name}_copy`
  return copy.href
}
