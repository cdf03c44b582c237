import pg from 'pg'
import { migrate } from '../src/store/migrate.ts'
import { USER_AGENT } from './people.ts'

/** A database of the bench, migrated and filled. */
export interface BenchDatabase {
  readonly url: string
  /** The first row of the answer; one connection, one statement at a time. */
  one(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>>
  close(): Promise<void>
}

export interface People {
  readonly users: number
  readonly sessions: number
}

const FILL_USERS = `
  INSERT INTO users (id, username, username_key, email, email_key, email_verified_at, activated_at, password_hash,
                     first_name, last_name, roles)
  SELECT n, 'user' || n, 'user' || n, 'user' || n || '@example.com', 'user' || n || '@example.com', now(), now(),
         'bcrypt_sha256$$2b$10$' || repeat('.', 53), 'Grace', 'Hopper', '{member,editor}'
  FROM generate_series(1, $1::integer) n`

const FILL_SESSIONS = `
  INSERT INTO sessions (id, user_id, created_at, rotated_at, expires_at, rotates, ip, user_agent)
  SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 1 + (n - 1) % $2, now(), now(),
         now() + interval '90 days', true, '127.0.0.1', $3
  FROM generate_series(1, $1::integer) n`

/** Makes a database in the cluster of `clusterUrl`, with people numbered from 1, each session's user likewise. */
export async function createDatabase(
  clusterUrl: string,
  name: string,
  { users, sessions }: People,
): Promise<BenchDatabase> {
  const cluster = await connect(clusterUrl)
  await cluster.query(`CREATE DATABASE ${name}`).finally(() => cluster.end())
  const url = new URL(clusterUrl)
  url.pathname = `/${name}`
  await migrate(url.href)

  const client = await connect(url.href)
  // Without the check of each row's user, which is there: a million of them would take as long as all the rest.
  await client.query(`SET session_replication_role = replica`)
  await client.query(FILL_USERS, [users])
  await client.query(FILL_SESSIONS, [sessions, users, USER_AGENT])
  await client.query(`SELECT setval('users_id_seq', $1)`, [users])
  await client.query('RESET session_replication_role')
  await client.query('VACUUM ANALYZE')
  return {
    url: url.href,
    one: async (text, values = []) => (await client.query(text, [...values])).rows[0] ?? {},
    close: () => client.end(),
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  // The cluster is stopped under our feet when the bench is interrupted.
  client.on('error', () => undefined)
  await client.connect()
  return client
}
