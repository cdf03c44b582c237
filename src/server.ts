import { createServer } from 'node:net'
import closeWithGrace from 'close-with-grace'
import { announce } from './announce.ts'
import { buildApp } from './app.ts'
import type { Config } from './config.ts'
import { ConfigError, EXIT_CONFIG, readConfig, withPort } from './config.ts'
import type { Completed } from './development.ts'
import { complete, putDemoUser } from './development.ts'
import { DialectError } from './dialects/dialect.ts'
import { keySourceOf, openKeyFiles } from './key-source.ts'
import { TemplateError } from './mail/read-templates.ts'
import type { LogDestination } from './plugins/log-destination.ts'
import { logLossPlugin, logToStandardOutput } from './plugins/log-destination.ts'
import { MetricsPortError } from './plugins/metrics-listener.ts'
import { ProfileSchemaError } from './plugins/profile-schema.ts'
import { migrate } from './store/migrate.ts'

/** How long load balancers get to see that the service is not ready before it stops taking connections. */
const DRAIN_MS = { production: 5000, development: 0, test: 0 }
/** Requests in flight get this long to end; then the process ends without them. */
const CLOSE_WITHIN_MS = 15_000
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
type StopSignal = (typeof STOP_SIGNALS)[number]
const WAIT_FOR_DATABASE_SECONDS = 30
const FAULTS_OF_SETTINGS = [ConfigError, DialectError, TemplateError, ProfileSchemaError, MetricsPortError]

await main()

async function main(): Promise<void> {
  const log = logToStandardOutput()
  let completed: Completed | undefined
  try {
    const config = await withFreePort(readConfig())
    // Node would open its inspector, and with it every secret in memory, to whoever may send this signal; and a start
    // that waits for its database lasts.
    if (config.nodeEnv === 'production') process.on('SIGUSR1', () => undefined)
    completed = await complete(config)
    await serve(completed, log)
  } catch (error) {
    await completed?.stop()
    const isConfig = FAULTS_OF_SETTINGS.some((kind) => error instanceof kind)
    process.stderr.write(`${isConfig && error instanceof Error ? error.message : explain(error)}\n`)
    // Whatever a start that failed half-way has opened ends here.
    process.exit(isConfig ? EXIT_CONFIG : 1)
  }
}

async function serve({ config, demo, stop }: Completed, log: LogDestination): Promise<void> {
  await migrate(config.databaseUrl, undefined, { waitSeconds: WAIT_FOR_DATABASE_SECONDS })
  const keySource = keySourceOf(config)
  const app = await buildApp(config, { logTo: log }, keySource)
  await app.register(logLossPlugin, { destination: log })
  for (const setting of openKeyFiles())
    app.log.warn({ setting }, 'everybody on this machine can read this file')
  if (demo !== undefined) await putDemoUser(app, demo)
  await app.listen({ host: config.host, port: config.port })
  const { close } = closeWithGrace(
    { delay: CLOSE_WITHIN_MS, logger: app.log, skip: [...STOP_SIGNALS] },
    async ({ err }) => {
      if (err !== undefined) app.log.error({ err }, 'ending after a defect')
      app.health.drain()
      await new Promise((resolve) => setTimeout(resolve, err === undefined ? DRAIN_MS[config.nodeEnv] : 0))
      await app.close()
      await stop()
    },
  )
  // A terminal that is closed sends it too, and must not leave a service of one's own behind.
  const rereads = config.nodeEnv === 'production' || keySource.files.length > 0
  if (rereads) process.on('SIGHUP', () => void app.keyReload.now())
  const stopSignals: readonly StopSignal[] = rereads ? ['SIGINT', 'SIGTERM'] : STOP_SIGNALS
  // Under npm one Ctrl-C arrives twice, from the terminal and from npm: only the first one counts.
  let stopping = false
  for (const signal of stopSignals) {
    process.on(signal, () => {
      if (!stopping) close()
      stopping = true
    })
  }
  for (const line of announce(config, demo)) log.write(`${line}\n`)
}

/** PORT=0: the address stands in every token as the issuer, so the port has to be known before anything is built. */
async function withFreePort(config: Config): Promise<Config> {
  if (config.port !== 0) return config
  const port = await new Promise<number>((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, config.host, () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
  return withPort(config, port)
}

/** A failed start in words: errors of the system by what they mean here. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return 'Keyturn could not start.'
  const code = 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE')
    return 'Keyturn could not start: the port is taken. Set another PORT, or stop what uses it.'
  if (code === 'EACCES')
    return 'Keyturn could not start: it may not listen there. Set a PORT above 1023, or another HOST.'
  if (code === 'EADDRNOTAVAIL') return 'Keyturn could not start: HOST is no address of this machine.'
  if (error.message.startsWith('unsupported startup parameter'))
    return `Keyturn could not start: a PgBouncer before the database refuses its limits (${error.message}). README.md says under "PgBouncer" what to set there.`
  return `Keyturn could not start: ${error.message}`
}
