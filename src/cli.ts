#!/usr/bin/env node
import { keys } from './cli/keys.ts'
import { UsageError } from './cli/usage.ts'
import { ConfigError, describeSettings, EXIT_CONFIG, readConfig } from './config.ts'

const USAGE = `keyturn <verb>

  serve     start the service (the same as npm start)
  migrate   bring the database of DATABASE_URL to this version, and end
  settings  list every setting: its default, what it is for and why
  keys      generate, rotate and list the keys that sign: see keyturn keys
`
const EXIT_USAGE = 64
const WAIT_FOR_DATABASE_SECONDS = 30

const VERBS: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  async serve() {
    await import('./server.ts')
  },

  async migrate() {
    const { databaseUrl } = readConfig()
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
}

// `keyturn settings | head` closes the pipe before the end, which is no failure.
process.stdout.on('error', () => process.exit())
const [name = '', ...args] = process.argv.slice(2)
const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
if (verb === undefined) {
  process.stderr.write(USAGE)
  process.exitCode = EXIT_USAGE
} else {
  await verb(args).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : 'That failed.'}\n`)
    process.exitCode =
      error instanceof ConfigError ? EXIT_CONFIG : error instanceof UsageError ? EXIT_USAGE : 1
  })
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
