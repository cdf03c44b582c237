import fastifyRateLimit from '@fastify/rate-limit'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { AuthError } from '../core/errors.ts'
import { networkOf } from '../core/network.ts'
import type { RefreshLimit } from '../core/ports.ts'
import { callerOf } from './caller.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly guards: Guards
    readonly refreshLimit: RefreshLimit
  }
}

/**
 * What stands before a route, one guard per verb and shared by all dialects: five dialects do not give five times
 * the guesses. `open`, `service` and `access_token` count nothing; `service` asks for credentials of SERVICE_CLIENTS; `access_token` is let through by the dialect, which knows
 * where its clients put the token. The limit of refreshes is per session and taken by the verb itself.
 * `token` is `login` for whoever brings a password and no grant, which only the body tells.
 */
export type GuardName =
  | 'open'
  | 'access_token'
  | 'login'
  | 'token'
  | 'register'
  | 'letter'
  | 'link'
  | 'refresh'
  | 'service'

/** Refuses a request that comes too often: @throws AuthError `rate_limited`. */
type Check = (request: FastifyRequest) => Promise<void>

/** What a guard has checked, and when: before the body is read, or after where only the body tells. */
export type Guard = { readonly onRequest?: Check } | { readonly preValidation?: Check }
export type Guards = Readonly<Record<GuardName, Guard>>

export interface GuardsPluginOptions {
  /** RATE_LIMIT: off only outside production. */
  readonly enabled: boolean
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const PER_ADDRESS = {
  login: { max: 60, timeWindow: MINUTE_MS },
  register: { max: 30, timeWindow: HOUR_MS },
  letter: { max: 60, timeWindow: MINUTE_MS },
  link: { max: 60, timeWindow: MINUTE_MS },
} as const
const REFRESHES_PER_SESSION = 60
/** Addresses and sessions remembered; an attacker who cycles through as many gains one window. */
const REMEMBERED_MAX = 50_000

/** Counters by address in this process (IPv6 by /64); those by account are in Postgres, see `store/accounts.ts`. */
export const guardsPlugin = fp<GuardsPluginOptions>(
  async (app, { enabled }) => {
    await app.register(fastifyRateLimit, { global: false })

    const perAddress = (verb: keyof typeof PER_ADDRESS): { readonly onRequest?: Check } => {
      if (!enabled) return {}
      // `cache` is read and not typed; without it other addresses push one out after 5,000.
      const options = {
        ...PER_ADDRESS[verb],
        cache: REMEMBERED_MAX,
        // Its own would count by `request.ip` as a gateway wrote it, and some add the port of each connection.
        keyGenerator: (request: FastifyRequest) => networkOf(callerOf(request).ip),
      }
      const check = app.createRateLimit(options)
      return {
        async onRequest(request) {
          const limit = await check(request)
          if (!limit.isAllowed && limit.isExceeded) {
            throw new AuthError('rate_limited', { retryAfterSeconds: limit.ttlInSeconds })
          }
        },
      }
    }

    const login = perAddress('login')
    const { onRequest: countLogin } = login
    app.decorate('guards', {
      open: {},
      access_token: {},
      refresh: {},
      service: { onRequest: async (request) => app.serviceClients.check(request) },
      login,
      token: countLogin
        ? { preValidation: async (request) => (isGrant(request.body) ? undefined : countLogin(request)) }
        : {},
      register: perAddress('register'),
      letter: perAddress('letter'),
      link: perAddress('link'),
    })
    app.decorate('refreshLimit', enabled ? createRefreshLimit(Date.now) : { take: () => undefined })
  },
  { name: 'guards', dependencies: ['service-clients'] },
)

/** An OAuth grant at the token endpoint: no password is guessed by it, and its limit is that of the session. */
export function isGrant(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'grant_type' in body
}

/** A window of a minute per session, opened by its first refresh. */
export function createRefreshLimit(now: () => number): RefreshLimit {
  const windows = new Map<string, { endsAt: number; count: number }>()
  return {
    take(sessionId) {
      const open = windows.get(sessionId)
      if (open === undefined || open.endsAt <= now()) {
        windows.delete(sessionId)
        if (windows.size >= REMEMBERED_MAX) windows.delete(windows.keys().next().value ?? '')
        windows.set(sessionId, { endsAt: now() + MINUTE_MS, count: 1 })
        return
      }
      open.count += 1
      if (open.count > REFRESHES_PER_SESSION) {
        throw new AuthError('rate_limited', { retryAfterSeconds: Math.ceil((open.endsAt - now()) / 1000) })
      }
    },
  }
}
