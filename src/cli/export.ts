import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import { toLine } from '../core/account-line.ts'
import { openMoveConnection } from '../store/move-connection.ts'
import { EXIT, Failed } from './failed.ts'
import { parse } from './options.ts'
import { createProgress } from './progress.ts'
import { readSome } from './settings.ts'
import { UsageError } from './usage.ts'

const USAGE = `keyturn export jsonl
    Writes every account as a line of JSON, as of one moment; keyturn import jsonl brings them back.
    --to <file>      a new file that only you can read; unless you say otherwise, standard output
    --with-hashes    with the hashes of the passwords; only with --to
`

/**
 * `keyturn export jsonl`
 * @throws UsageError for what cannot be understood, ConfigError, MoveError, Failed
 */
export async function exportUsers(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(
    args,
    { to: { type: 'string' }, 'with-hashes': { type: 'boolean' } },
    USAGE,
  )
  const { to, 'with-hashes': withHashes = false } = values
  if (positionals.length !== 1 || positionals[0] !== 'jsonl') throw new UsageError(USAGE)
  if (withHashes && to === undefined)
    throw new UsageError('Hashes go into a file that only you can read: name one with --to.')
  const { databaseUrl } = readSome(['DATABASE_URL'])
  if (databaseUrl === undefined)
    throw new Failed(EXIT.unavailable, 'Set DATABASE_URL: the database of the service.')

  const connection = await openMoveConnection(databaseUrl)
  const progress = createProgress(process.stderr)
  try {
    const out = to === undefined ? process.stdout : await createFile(to)
    let count = 0
    for await (const accounts of connection.accounts()) {
      const text = accounts.map((account) => `${toLine(account, withHashes)}\n`).join('')
      // Waits for a reader that is slower than the database, or all of it would be in memory.
      if (!out.write(text)) await once(out, 'drain')
      count += accounts.length
      if (to !== undefined) progress.show(undefined, count)
    }
    if (to === undefined) return
    out.end()
    await finished(out)
    progress.clear()
    process.stderr.write(`${count.toLocaleString('en')} accounts written to ${to}.\n`)
  } finally {
    await connection.close()
  }
}

/** A file of its own, never one that is there: of an older one others may hold it open, or be allowed to read it. */
async function createFile(path: string): Promise<NodeJS.WritableStream> {
  const stream = createWriteStream(path, { flags: 'wx', mode: 0o600 })
  try {
    await once(stream, 'open')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    const why = code === 'EEXIST' ? 'it is there already' : code
    throw new Failed(EXIT.data, `${path} cannot be made: ${why}.`)
  }
  return stream
}
