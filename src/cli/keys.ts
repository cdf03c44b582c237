import { parseArgs } from 'node:util'
import { generateKeys } from './keys-generate.ts'
import { listKeys } from './keys-list.ts'
import { rotateKeys } from './keys-rotate.ts'
import { UsageError } from './usage.ts'

const USAGE = `keyturn keys generate <setting> --out <file>
    A new key, for JWT_SECRETS, SERVER_SECRETS or JWT_PRIVATE_KEYS_FILE, in a file that only you can read.
    --out -             prints it instead
    --algorithm <name>  EdDSA (unless you say otherwise), ES256 or RS256, for JWT_PRIVATE_KEYS_FILE
    --kid <name>        its name; unless you say otherwise one is drawn

keyturn keys generate JWT_AUDIENCE_KEYS --audience <name> --out <file>
    The keys of one audience, derived from SERVER_SECRETS, for the service of that name.

keyturn keys rotate <file> --add | --promote | --retire
    One step: a new key behind the one that signs; that key to the front; the last one out of the file.
    --kid <name>        another one than the second or the last

keyturn keys list
    The keys that the environment names: which sign, and which only verify. No secret is shown.

  --json, with each: an object for programs.
`

/** What was typed behind `keyturn keys <verb>`. */
export interface KeyOptions {
  readonly subject: string | undefined
  readonly out: string | undefined
  readonly algorithm: string | undefined
  readonly kid: string | undefined
  readonly audience: string | undefined
  readonly steps: readonly string[]
}

/** What a verb has done: for people line by line, for programs as an object. */
export interface KeyReport {
  /** Of a key that was asked for on stdout. */
  readonly value?: string
  readonly lines: readonly string[]
  readonly object: object
}

const VERBS: Readonly<Record<string, (options: KeyOptions) => Promise<KeyReport>>> = {
  generate: generateKeys,
  rotate: rotateKeys,
  list: listKeys,
}

/**
 * `keyturn keys …`
 * @throws UsageError for what cannot be understood, ConfigError for settings that are wrong
 */
export async function keys(args: readonly string[], print: (line: string) => void): Promise<void> {
  const [name = '', ...rest] = args
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
  if (verb === undefined) throw new UsageError(USAGE)
  const { values, positionals } = parse(rest)
  if (positionals.length > 1) throw new UsageError(USAGE)
  const { out, algorithm, kid, audience } = values
  const steps = (['add', 'promote', 'retire'] as const).filter((step) => values[step])
  const report = await verb({ subject: positionals[0], out, algorithm, kid, audience, steps })
  if (values.json) print(JSON.stringify({ ...report.object, ...(report.value && { value: report.value }) }))
  else if (report.value === undefined) for (const line of report.lines) print(line)
  else {
    // The value alone goes to stdout, so that it can be piped; what to do with it goes beside.
    print(report.value)
    process.stderr.write(report.lines.map((line) => `${line}\n`).join(''))
  }
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        out: text,
        algorithm: text,
        kid: text,
        audience: text,
        add: flag,
        promote: flag,
        retire: flag,
        json: flag,
      },
    })
  } catch {
    throw new UsageError(USAGE)
  }
}
