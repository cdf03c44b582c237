import { readFileSync } from 'node:fs'
import fastifyCors from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import Fastify from 'fastify'
import type { Config } from './config.ts'
import { createServerKeys } from './core/server-keys.ts'
import { createDialects, homeOf, letterLinks, longestAccessTtl, mountDialects } from './dialects/all.ts'
import { requireAccessToken } from './dialects/bearer.ts'
import { refuseWithProblem, WORDS } from './dialects/canonical/errors.ts'
import { speakRefusals } from './dialects/dialect.ts'
import { oauth } from './dialects/oauth/index.ts'
import { createRefreshCookie } from './dialects/refresh-cookie.ts'
import { limits } from './limits.ts'
import { authPlugin } from './plugins/auth.ts'
import { bcryptPoolPlugin } from './plugins/bcrypt-pool.ts'
import type { BcryptThreads } from './plugins/bcrypt-threads.ts'
import { bodies } from './plugins/bodies.ts'
import { clientErrors, lastWordsPlugin } from './plugins/client-errors.ts'
import { commonPasswordsPlugin } from './plugins/common-passwords.ts'
import { connectionsPlugin } from './plugins/connections.ts'
import { databasePlugin } from './plugins/database.ts'
import { devMailboxPlugin } from './plugins/dev-mailbox.ts'
import { docsPlugin, openApiPlugin } from './plugins/docs.ts'
import { errorPagesPlugin } from './plugins/error-pages.ts'
import { framingPlugin } from './plugins/framing.ts'
import { guardsPlugin } from './plugins/guards.ts'
import { healthPlugin } from './plugins/health.ts'
import { jwtPlugin } from './plugins/jwt.ts'
import type { KeySource } from './plugins/key-reload.ts'
import { keyReloadPlugin } from './plugins/key-reload.ts'
import { logging } from './plugins/logging.ts'
import { mailPlugin, opensMailbox } from './plugins/mail.ts'
import { metricsPlugin } from './plugins/metrics.ts'
import { metricsListenerPlugin } from './plugins/metrics-listener.ts'
import { pagesPlugin } from './plugins/pages.ts'
import { processMetricsPlugin } from './plugins/process-metrics.ts'
import { profilePlugin } from './plugins/profile.ts'
import { requestLogPlugin } from './plugins/request-log.ts'
import { revocationFeedPlugin } from './plugins/revocation-feed.ts'
import { revocationsPlugin } from './plugins/revocations.ts'
import { compilersFactory } from './plugins/schema-compilers.ts'
import { securityHeadersPlugin } from './plugins/security-headers.ts'
import { seenPlugin } from './plugins/seen.ts'
import { serviceClientsPlugin } from './plugins/service-clients.ts'
import { sweeperPlugin } from './plugins/sweeper.ts'
import { unknownPathsPlugin } from './plugins/unknown-paths.ts'
import { wellKnownPlugin } from './plugins/well-known.ts'
import { policyOf } from './policy.ts'

/** What the configuration holds once nothing is missing: see `development.ts` for where the rest comes from. */
export type RunnableConfig = Config & {
  readonly [K in 'databaseUrl' | 'jwtSecrets' | 'serverSecrets']: NonNullable<Config[K]>
}

/** Time, chance, who listens and who hashes, for tests to replace. */
export interface World {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** From 0 up to 1. */
  readonly random: () => number
  /** Takes the lines of the log, each a JSON text; standard output where nobody does. */
  readonly logTo?: { write(line: string): void }
  /** Threads for all services of a process, which end with none of them; each starts its own where there are none. */
  readonly bcryptThreads?: BcryptThreads
}

const { version }: { version: string } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
)

/**
 * The service, every part of it in the order in which it is put together; not listening yet.
 * @param keySource where keys that change later are read from; by default nowhere
 */
export async function buildApp(
  config: RunnableConfig,
  { now = Date.now, random = Math.random, logTo, bcryptThreads }: Partial<World> = {},
  keySource?: KeySource,
): Promise<FastifyInstance> {
  const refuse = refuseWithProblem(config.publicUrl)
  const app = Fastify({
    ...limits,
    ...clientErrors(refuse),
    schemaController: { compilersFactory },
    ...logging(config.logLevel, logTo),
    trustProxy: config.trustProxy.length > 0 ? [...config.trustProxy] : false,
  })
  const manner = { name: 'service', tag: 'Service', requireAccessToken: requireAccessToken('Bearer'), refuse }
  const keys = createServerKeys(config.serverSecrets)
  const jwtKeys = {
    secrets: config.jwtSecrets,
    privateKeys: config.jwtPrivateKeys ?? [],
    serverSecrets: config.serverSecrets,
  }
  const { publicUrl } = config
  const mounts = createDialects(config)
  const longestTtlSeconds = longestAccessTtl(config, mounts)
  const home = homeOf(config)

  app.decorateRequest('accessClaims', null)
  speakRefusals(app, refuse)
  await app.register(metricsPlugin)
  await app.register(processMetricsPlugin, { version })
  if (config.metricsPort !== undefined)
    await app.register(metricsListenerPlugin, { host: config.host, port: config.metricsPort })
  await app.register(connectionsPlugin)
  await app.register(unknownPathsPlugin)
  await app.register(requestLogPlugin)
  await app.register(lastWordsPlugin)
  await app.register(securityHeadersPlugin)
  await app.register(framingPlugin)
  if (config.corsOrigins.length > 0) {
    await app.register(fastifyCors, {
      origin: [...config.corsOrigins],
      preflight: false,
      exposedHeaders: ['keyturn-refresh', 'ratelimit', 'ratelimit-policy', 'retry-after', 'x-request-id'],
    })
  }
  await app.register(pagesPlugin, { ownStyle: config.pageCss })
  await app.register(docsPlugin, { publicUrl, version })
  await app.register(bodies)
  await app.register(profilePlugin, { schema: config.profileSchema, claimNames: config.profileClaims })
  await app.register(serviceClientsPlugin, { clients: config.serviceClients })
  await app.register(guardsPlugin, {
    enabled: config.rateLimit,
    ipv6Bits: config.rateLimitIpv6Prefix,
    now,
  })

  const { refreshIdleTtlSeconds } = config
  await app.register(databasePlugin, {
    url: config.databaseUrl,
    poolMax: config.databasePoolMax,
    refreshIdleTtlSeconds,
  })
  await app.register(revocationsPlugin, {
    now,
    random,
    accessTtlSeconds: longestTtlSeconds,
    databaseUrl: config.databaseUrl,
  })
  await app.register(seenPlugin)
  await app.register(sweeperPlugin, {
    ages: { ...config, accessTtlSeconds: longestTtlSeconds },
    random,
  })
  await app.register(bcryptPoolPlugin, { cost: config.bcryptCost, threads: bcryptThreads })
  await app.register(commonPasswordsPlugin, { minLength: config.passwordMinLength })
  await app.register(jwtPlugin, {
    keys: jwtKeys,
    algorithm: config.jwtAlgorithm,
    issuer: config.jwtIssuer,
    audience: config.jwtAudience,
    otherAudiences: config.jwtAudienceKeys,
  })
  await app.register(mailPlugin, {
    keys,
    smtpUrl: config.smtpUrl,
    requireTls: config.nodeEnv === 'production',
    from: config.mailFrom,
    templatesDir: config.mailTemplatesDir,
    links: letterLinks(config, mounts),
  })
  await app.register(authPlugin, {
    now,
    random,
    keys,
    policy: policyOf(config),
    longestTtlSeconds,
    issuer: config.jwtIssuer,
    audience: config.jwtAudience,
  })
  if (keySource) {
    const { jwtAlgorithm: algorithm } = config
    await app.register(keyReloadPlugin, { source: keySource, keys: jwtKeys, serverKeys: keys, algorithm })
  }

  await app.register(openApiPlugin, { manner })
  await app.register(healthPlugin, { manner, showsMetrics: config.metricsPort === undefined })
  await app.register(revocationFeedPlugin, { manner, accessTtlSeconds: longestTtlSeconds })
  await app.register(errorPagesPlugin, { manner, words: WORDS })
  await app.register(wellKnownPlugin, { manner, changePasswordUrl: `${home}/request-reset` })
  if (opensMailbox(config)) await app.register(devMailboxPlugin, { manner })
  const cookie = config.refreshCookie
    ? createRefreshCookie([new URL(publicUrl).origin, ...config.corsOrigins])
    : undefined
  const metadata = {
    issuer: config.jwtIssuer,
    publicUrl,
    home,
    jwksUrl: config.jwtAlgorithm === 'HS256' ? undefined : `${publicUrl}/.well-known/jwks.json`,
    grants: cookie === undefined,
    hasServiceClients: app.serviceClients.exist,
  }
  const spoken = { ...config, cookie, audiences: config.jwtAudienceKeys }
  await mountDialects(app, [{ dialect: oauth(metadata), prefix: '' }, ...mounts], spoken)
  app.setNotFoundHandler(app.answerUnknown(refuse))
  return app
}
