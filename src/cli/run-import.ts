import { closeSync, openSync, writeSync } from 'node:fs'
import { AuthError } from '../core/errors.ts'
import type { ImportTally } from '../core/import-accounts.ts'
import { importAccounts } from '../core/import-accounts.ts'
import type { Moving, Remark } from '../core/move-ports.ts'
import { openMoveConnection } from '../store/move-connection.ts'
import { EXIT, Failed } from './failed.ts'
import type { ImportOptions } from './import.ts'
import { createProgress } from './progress.ts'
import { readSome } from './settings.ts'

/** What is imported from, opened. */
export interface Source {
  fraction(read: number): number | undefined
  /** The last id that was ever given away there, as far as is known by now. */
  lastId(): number
  batches(): AsyncIterable<readonly Moving[]>
}

/** Of each remark so many ids are kept for the summary; `--report` has all of them. */
const IDS_SHOWN = 10

const AWAY =
  'The database of DATABASE_URL does not answer any more. Run the import again: it goes on from where it is.'

const WORDS: Readonly<Record<Remark, string>> = {
  malformed: 'cannot be read, and were not imported',
  id_taken: 'have an id that another account has here, and were not imported',
  id_repeated: 'have an id that stands in the source before, and were not imported',
  no_username: 'have no user name, and were not imported',
  unreachable: 'cannot sign in, for their name and address lead to other accounts: see keyturn users rename',
  username_shared:
    'share their user name, but for case or form, with another account: they sign in by e-mail address',
  username_unusual: 'have a user name that nobody could choose here; it is kept, and they sign in with it',
  email_shared:
    'share their e-mail address, but for case or form, with an account that came before: one of them has it verified',
  email_unusual: 'have an e-mail address that Keyturn would not take; it is kept, unverified',
  password_unusable: 'have no password: they ask for a new one by mail',
  password_unknown: 'have a hash that Keyturn cannot verify: they ask for a new password by mail',
}

/** Brings the accounts of a source into the database of DATABASE_URL, and tells what became of them. */
export async function runImport(
  source: Source,
  { dryRun, report, json }: ImportOptions,
  print: (line: string) => void,
): Promise<void> {
  const { databaseUrl } = readSome(['DATABASE_URL'])
  if (databaseUrl === undefined)
    throw new Failed(EXIT.unavailable, 'Set DATABASE_URL: the database of the service.')
  const file = report === undefined ? undefined : openReport(report)
  const connection = await openMoveConnection(databaseUrl)
  const progress = createProgress(process.stderr)
  const ids = new Map<Remark, string[]>()
  let said = ''
  const work = () =>
    importAccounts(connection.store, source.batches(), {
      remark(id, remark) {
        const shown = ids.get(remark) ?? []
        ids.set(remark, shown)
        if (shown.length < IDS_SHOWN) shown.push(id)
        said += `${JSON.stringify({ id, remark })}\n`
      },
      progress({ read }) {
        // At once, so that none waits in memory for a disk that is slower than the database.
        if (file !== undefined) writeSync(file, said)
        said = ''
        progress.show(source.fraction(read), read)
      },
    })
  let tally: ImportTally
  try {
    if (!dryRun) await connection.store.advanceIds(Math.max(1, source.lastId()))
    tally = dryRun ? await connection.rehearse(work) : await work()
    if (!dryRun) await connection.store.advanceIds(Math.max(1, source.lastId()))
    await connection.settle()
  } catch (error) {
    if (!(error instanceof AuthError)) throw error
    throw new Failed(EXIT.unavailable, AWAY)
  } finally {
    progress.clear()
    await connection.close()
    if (file !== undefined) closeSync(file)
  }
  if (json) print(JSON.stringify(toObject(tally, ids, dryRun)))
  else for (const line of toLines(tally, ids, dryRun)) print(line)
  if (tally.refused > 0) throw new Failed(EXIT.data, 'Not all of them could be imported.')
}

function openReport(path: string): number {
  try {
    return openSync(path, 'w', 0o600)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
    throw new Failed(EXIT.data, `The report cannot be written to ${path}${code}.`)
  }
}

function toObject(tally: ImportTally, ids: ReadonlyMap<Remark, string[]>, dryRun: boolean): object {
  const remarks = [...tally.remarks].map(([remark, count]) => [
    remark,
    { count, first_ids: ids.get(remark) ?? [] },
  ])
  const { read, imported, present, refused } = tally
  return { dry_run: dryRun, read, imported, present, refused, remarks: Object.fromEntries(remarks) }
}

function toLines(tally: ImportTally, ids: ReadonlyMap<Remark, string[]>, dryRun: boolean): string[] {
  const count = (n: number) => n.toLocaleString('en')
  const parts = [
    `${count(tally.imported)} ${dryRun ? 'would be imported' : 'imported'}`,
    `${count(tally.present)} there already`,
    `${count(tally.refused)} not imported`,
  ]
  // Graver ones first, as the table has them.
  const order = Object.keys(WORDS)
  const remarks = [...tally.remarks].sort(([a], [b]) => order.indexOf(a) - order.indexOf(b))
  return [
    `${count(tally.read)} accounts read: ${parts.join(', ')}.`,
    ...remarks.map(([remark, n]) => {
      const shown = ids.get(remark) ?? []
      return `  ${count(n)} ${WORDS[remark]}: ${shown.join(', ')}${n > shown.length ? ', …' : ''}`
    }),
  ]
}
