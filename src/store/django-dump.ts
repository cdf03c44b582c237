import type { DjangoUser } from '../core/move-from-django.ts'
import { MoveError } from './move-error.ts'

const BATCH = 2000

/** Users as pg_dump wrote them; `lastId` is known once all of it has been read. */
export interface DjangoDump {
  readonly lastId: number
  batches(): AsyncGenerator<DjangoUser[]>
}

/**
 * Reads the user table out of a plain dump, line by line, and nothing else of it.
 * @param table as in `auth_user`; in which schema it stands is not asked, unless it is named
 * @throws MoveError, from `batches`, when the dump has no such table, is of another form or ends too early
 */
export function readDjangoDump(lines: AsyncIterable<string>, table: string): DjangoDump {
  const plain = table.replaceAll('"', '')
  const isTable = (name: string) => {
    const unquoted = name.replaceAll('"', '')
    return unquoted === plain || (!plain.includes('.') && unquoted.endsWith(`.${plain}`))
  }
  let lastId = 0

  async function* batches(): AsyncGenerator<DjangoUser[]> {
    let columns: string[] | undefined
    let other = false
    let isFound = false
    let batch: DjangoUser[] = []
    for await (const line of lines) {
      if (columns !== undefined) {
        if (line === '\\.') {
          columns = undefined
          continue
        }
        const user = toUser(columns, line)
        lastId = Math.max(lastId, Number(user['id'] ?? 0) || 0)
        batch.push(user)
        if (batch.length === BATCH) {
          yield batch
          batch = []
        }
      } else if (other) {
        if (line === '\\.') other = false
      } else {
        const copy = /^COPY (\S+) \((.*)\) FROM stdin;$/.exec(line)
        if (copy !== null) {
          const [, name = '', list = ''] = copy
          if (isTable(name)) {
            columns = list.split(', ').map((column) => column.replaceAll('"', ''))
            isFound = true
          } else other = true
          continue
        }
        lastId = Math.max(lastId, lastIdIn(line, plain))
        refuseOtherForms(line, isTable)
      }
    }
    if (batch.length > 0) yield batch
    if (columns !== undefined || other)
      throw new MoveError(
        'The dump ends in the middle of a table. Make it again, and look for an error of pg_dump.',
      )
    if (!isFound)
      throw new MoveError(
        `The dump has no data of a table ${table}. Make it with: pg_dump --table=${table} "$DJANGO_DATABASE_URL". With a ` +
          'user model of its own, name its table with --table.',
      )
  }

  return {
    get lastId() {
      return lastId
    },
    batches,
  }
}

/** `SELECT pg_catalog.setval('public.auth_user_id_seq', 42, true);` */
function lastIdIn(line: string, table: string): number {
  const [, name = '', value = '0'] = /^SELECT pg_catalog\.setval\('([^']+)', (\d+), \w+\);$/.exec(line) ?? []
  return name.replaceAll('"', '').endsWith(`${table.split('.').at(-1)}_id_seq`) ? Number(value) : 0
}

function refuseOtherForms(line: string, isTable: (name: string) => boolean): void {
  if (line.startsWith('PGDMP'))
    throw new MoveError(
      'The dump is in the custom format. Write it as text: pg_restore --file=users.sql <dump>.',
    )
  const inserted = /^INSERT INTO (\S+) /.exec(line)?.[1]
  if (inserted !== undefined && isTable(inserted))
    throw new MoveError('The dump was made with --inserts. Make it without, so that it has COPY.')
  const encoding = /^SET client_encoding = '([^']+)';$/.exec(line)?.[1]
  if (encoding !== undefined && !/^(?:UTF8|SQL_ASCII)$/.test(encoding))
    throw new MoveError(`The dump is in ${encoding}. Make it with: pg_dump --encoding=UTF8.`)
}

function toUser(columns: readonly string[], line: string): DjangoUser {
  const fields = line.split('\t')
  if (fields.length !== columns.length)
    throw new MoveError(
      'A line of the dump has not as many fields as its table has columns. Make the dump again.',
    )
  return Object.fromEntries(columns.map((column, index) => [column, fromCopy(fields[index] ?? '')]))
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

/** The text format of COPY. */
function fromCopy(field: string): string | null {
  if (field === '\\N') return null
  return field.includes('\\')
    ? field.replace(/\\(.)/gs, (_, letter: string) => ESCAPES[letter] ?? letter)
    : field
}
