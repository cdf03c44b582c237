#!/usr/bin/env node
import { ConfigError, describeSettings, EXIT_CONFIG, readConfig } from './config.ts'
import { migrate } from './store/migrate.ts'

const USAGE = `keyturn <verb>

  serve     start the service (the same as npm start)
  migrate   bring the database of DATABASE_URL to this version, and end
  settings  list every setting: its default, what it is for and why
`
const EXIT_USAGE = 64
const WAIT_FOR_DATABASE_SECONDS = 30

const VERBS: Readonly<Record<string, () => Promise<void>>> = {
  async serve() {
    await import('./server.ts')
  },

  async migrate() {
    const { databaseUrl } = readConfig()
    if (databaseUrl === undefined)
      throw new Error('Set DATABASE_URL. The embedded database migrates as it starts.')
    const { applied } = await migrate(databaseUrl, undefined, { waitSeconds: WAIT_FOR_DATABASE_SECONDS })
    print(applied === 0 ? 'Nothing to do: the database is up to date.' : `Applied ${applied} migrations.`)
  },

  async settings() {
    for (const { name, default: standard, about, why } of describeSettings()) {
      print(`${name}${standard === undefined ? '' : ` = ${standard}`}\n  ${about}.\n  ${why}.\n`)
    }
  },
}

// `keyturn settings | head` closes the pipe before the end, which is no failure.
process.stdout.on('error', () => process.exit())
const [name = ''] = process.argv.slice(2)
const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
if (verb === undefined) {
  process.stderr.write(USAGE)
  process.exitCode = EXIT_USAGE
} else {
  await verb().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : 'That failed.'}\n`)
    process.exitCode = error instanceof ConfigError ? EXIT_CONFIG : 1
  })
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
