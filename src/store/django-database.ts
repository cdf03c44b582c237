import pg from 'pg'
import type { DjangoUser } from '../core/move-from-django.ts'
import { MoveError } from './move-error.ts'

/** Users of a Django database, read as of one moment. */
export interface DjangoDatabase {
  readonly total: number
  /** The last id that Django has given away, also to users that are gone: other tables may still name them. */
  readonly lastId: number
  batches(): AsyncGenerator<DjangoUser[]>
  close(): Promise<void>
}

const BATCH = 2000
const WANTED =
  'id username email password first_name last_name is_active is_staff is_superuser date_joined last_login'.split(
    ' ',
  )

/**
 * Opens the user table of a Django project for reading, and nothing else.
 * @param table as in `auth_user` or `people.accounts_user`
 * @throws MoveError that says what is wrong with which database, never with its password
 */
export async function openDjangoDatabase(url: string, table: string): Promise<DjangoDatabase> {
  const client = newClient(url)
  try {
    await client.connect()
    await client.query("SET TimeZone = 'UTC'; SET statement_timeout = 0")
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    const name = table
      .split('.')
      .map((part) => client.escapeIdentifier(part))
      .join('.')
    const columns = await columnsOf(client, name, table)
    const { rows } = await client.query<{ total: number; last: string }>(
      `SELECT count(*)::float8 AS total, coalesce(max(id), 0) AS last FROM ${name}`,
    )
    const [{ total = 0, last = '0' } = {}] = rows
    const lastId = Math.max(Number(last), await lastOfSequence(client, name))
    return { total, lastId, batches: () => readBatches(client, name, columns), close: () => client.end() }
  } catch (error) {
    await client.end().catch(() => undefined)
    throw error instanceof MoveError ? error : explain(error, client)
  }
}

async function* readBatches(
  client: pg.Client,
  name: string,
  columns: readonly string[],
): AsyncGenerator<DjangoUser[]> {
  const list = columns.map((column) => `${client.escapeIdentifier(column)}::text`).join(', ')
  // By the column and not by its text, which has the same name and puts 100 before 20.
  const text = `SELECT ${list} FROM ${name} WHERE id > $1::bigint ORDER BY ${name}.id LIMIT ${BATCH}`
  for (let after = '-9223372036854775808'; ; ) {
    const { rows } = await client
      .query<DjangoUser>({ name: 'read_django', text, values: [after] })
      .catch((error) => {
        throw explain(error, client)
      })
    const last = rows.at(-1)?.['id']
    if (typeof last !== 'string') return
    // Postgres casts a boolean to words; its dumps have letters.
    yield rows.map((row) =>
      Object.fromEntries(Object.entries(row).map(([key, value]) => [key, letter(value)])),
    )
    after = last
  }
}

function letter(value: string | null | undefined): string | null | undefined {
  return value === 'true' ? 't' : value === 'false' ? 'f' : value
}

async function columnsOf(client: pg.Client, name: string, table: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string; type: string }>(
    `SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
     WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`,
    [name],
  )
  if (rows.length === 0)
    throw new MoveError(
      `There is no table ${table} in the database "${client.database}". Is it the one of Django? With a user model of ` +
        'its own, name its table with --table.',
    )
  const missing = ['id', 'password'].filter((column) => !rows.some((row) => row.name === column))
  if (missing.length > 0)
    throw new MoveError(
      `The table ${table} has no column ${missing.join(', ')}: it is no user table of Django.`,
    )
  const id = rows.find((row) => row.name === 'id')?.type
  if (!/^(?:integer|bigint|smallint)$/.test(id ?? ''))
    throw new MoveError(
      `The ids of ${table} are of the type ${id}. Keyturn has integers, and cannot keep them.`,
    )
  return WANTED.filter((column) => rows.some((row) => row.name === column))
}

async function lastOfSequence(client: pg.Client, name: string): Promise<number> {
  const { rows } = await client.query<{ sequence: string | null }>(
    `SELECT pg_get_serial_sequence($1, 'id') AS sequence`,
    [name],
  )
  const sequence = rows[0]?.sequence
  if (!sequence) return 0
  const { rows: values } = await client.query<{ last: string }>(`SELECT last_value AS last FROM ${sequence}`)
  return Number(values[0]?.last ?? 0)
}

function newClient(connectionString: string): pg.Client {
  try {
    const client = new pg.Client({
      connectionString,
      connectionTimeoutMillis: 10_000,
      application_name: 'keyturn moving',
    })
    client.on('error', () => undefined)
    return client
  } catch {
    // Without the cause, which may quote the URL.
    throw new MoveError(
      'The URL behind --from cannot be read. Expected postgresql://user:password@host:port/database.',
    )
  }
}

function explain(error: unknown, client: pg.Client): Error {
  const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
  return new MoveError(
    `The users cannot be read from the database "${client.database}" at ${client.host}:${client.port}${code}. ` +
      'Check the URL behind --from, and that its user may read the table and its sequence.',
  )
}
