#!/usr/bin/env node
import { EXIT, Failed } from './cli/failed.ts'
import { keys } from './cli/keys.ts'
import { readSome } from './cli/settings.ts'
import { UsageError } from './cli/usage.ts'
import { ConfigError, describeSettings, EXIT_CONFIG } from './config.ts'
import { MoveError } from './store/move-error.ts'

const USAGE = `keyturn <verb>

  serve     start the service (the same as npm start)
  migrate   bring the database of DATABASE_URL to this version, and end
  settings  list every setting: its default, what it is for and why
  keys      generate, rotate and list the keys that sign: see keyturn keys
  users     create, find, disable, delete accounts and so on: see keyturn users
  import    bring accounts in from Django, or from lines of JSON: see keyturn import
  export    write accounts as lines of JSON: see keyturn export
`
const EXIT_USAGE = 64
const WAIT_FOR_DATABASE_SECONDS = 30

const VERBS: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  async serve() {
    await import('./server.ts')
  },

  async migrate() {
    const { databaseUrl } = readSome(['DATABASE_URL'])
    if (databaseUrl === undefined)
      throw new Error('Set DATABASE_URL. The embedded database migrates as it starts.')
    // Only for those who need it: the driver takes longer to load than most verbs to run.
    const { migrate } = await import('./store/migrate.ts')
    const { applied } = await migrate(databaseUrl, undefined, { waitSeconds: WAIT_FOR_DATABASE_SECONDS })
    print(applied === 0 ? 'Nothing to do: the database is up to date.' : `Applied ${applied} migrations.`)
  },

  async settings() {
    for (const { name, default: standard, about, why } of describeSettings()) {
      print(`${name}${standard === undefined ? '' : ` = ${standard}`}\n  ${about}.\n  ${why}.\n`)
    }
  },

  keys: (args) => keys(args, print),
  users: async (args) => (await import('./cli/users.ts')).users(args, print),
  import: async (args) => (await import('./cli/import.ts')).importUsers(args, print),
  export: async (args) => (await import('./cli/export.ts')).exportUsers(args),
}

const [name = '', ...args] = process.argv.slice(2)
// The service goes on without.
if (name !== 'serve') process.stdout.on('error', endWithoutOutput)
const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
if (verb === undefined) {
  process.stderr.write(USAGE)
  process.exitCode = EXIT_USAGE
} else {
  await verb(args).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : 'That failed.'}\n`)
    process.exitCode = exitCodeOf(error)
  })
}

function exitCodeOf(error: unknown): number {
  if (error instanceof ConfigError) return EXIT_CONFIG
  if (error instanceof UsageError) return EXIT_USAGE
  if (error instanceof MoveError) return EXIT.noInput
  return error instanceof Failed ? error.exitCode : 1
}

function endWithoutOutput(error: Error): void {
  // `keyturn settings | head` closes the pipe before the end, which is no failure.
  if ('code' in error && error.code === 'EPIPE') process.exit()
  process.stderr.write(`Standard output takes no more: ${error.message}.\n`)
  process.exit(EXIT.output)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
