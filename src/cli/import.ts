import { importDjango } from './import-django.ts'
import { importJsonl } from './import-jsonl.ts'
import { parse } from './options.ts'
import { UsageError } from './usage.ts'

const USAGE = `keyturn import django --from <postgres URL, or file of pg_dump>
    Brings the users of a Django project into the database of DATABASE_URL, ids and passwords as they are.
    --table <name>            the table of its user model, unless it is auth_user
    --emails <how>            verified (unless you say otherwise) or unverified: what the addresses of active
                              accounts count as
    --superuser-role <name>   the role of superusers; admin unless you say otherwise, '' for none
    --staff-role <name>       the role of staff; staff unless you say otherwise, '' for none

keyturn import jsonl --from <file, or - for standard input>
    Brings accounts in from lines of JSON, as keyturn export jsonl writes them.

  With each:
    --dry-run                 does it all and takes it back: nothing is changed, the summary is what would be
    --report <file>           a line of JSON for each account that there is something to say about
    --json                    the summary as an object for programs

A second run goes on where the first has ended; accounts that are there are not touched. A file may be packed
with gzip. Exit status: 0, or 65 when something could not be imported.
`

/** What was typed behind `keyturn import <verb>`. */
export interface ImportOptions {
  readonly from: string
  readonly table: string
  readonly trustsEmails: boolean
  readonly staffRole: string
  readonly superuserRole: string
  readonly dryRun: boolean
  readonly report: string | undefined
  readonly json: boolean
}

/**
 * `keyturn import …`
 * @throws UsageError for what cannot be understood, ConfigError, MoveError, Failed
 */
export async function importUsers(args: readonly string[], print: (line: string) => void): Promise<void> {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  const { values, positionals } = parse(
    args,
    {
      from: text,
      table: text,
      emails: text,
      'staff-role': text,
      'superuser-role': text,
      'dry-run': flag,
      report: text,
      json: flag,
    },
    USAGE,
  )
  const [kind, ...more] = positionals
  const { from, emails = 'verified' } = values
  if (more.length > 0 || (kind !== 'django' && kind !== 'jsonl')) throw new UsageError(USAGE)
  if (from === undefined) throw new UsageError(`Say where the accounts come from: --from.\n\n${USAGE}`)
  if (emails !== 'verified' && emails !== 'unverified')
    throw new UsageError(`--emails is verified or unverified.\n\n${USAGE}`)
  const options: ImportOptions = {
    from,
    table: values.table ?? 'auth_user',
    trustsEmails: emails === 'verified',
    staffRole: values['staff-role'] ?? 'staff',
    superuserRole: values['superuser-role'] ?? 'admin',
    dryRun: values['dry-run'] ?? false,
    report: values.report,
    json: values.json ?? false,
  }
  await (kind === 'django' ? importDjango(options, print) : importJsonl(options, print))
}
