import fastifyRateLimit from '@fastify/rate-limit'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Limit } from '../core/errors.ts'
import { AuthError } from '../core/errors.ts'
import { networkOf } from '../core/network.ts'
import type { LimitState, RefreshLimit } from '../core/ports.ts'
import { callerOf } from './caller.ts'
import { storeBy } from './window-store.ts'
import { windowsOf } from './windows.ts'

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
type Check = (request: FastifyRequest, reply: FastifyReply) => Promise<void>

/** What a guard has checked, and when: before the body is read, or after where only the body tells. */
export type Guard = { readonly onRequest?: Check } | { readonly preValidation?: Check }
export type Guards = Readonly<Record<GuardName, Guard>>

export interface GuardsPluginOptions {
  /** RATE_LIMIT: off only outside production. */
  readonly enabled: boolean
  /** RATE_LIMIT_IPV6_PREFIX: how long the prefix of a network is that is counted as one. */
  readonly ipv6Bits: number
  /** Milliseconds since 1970. */
  readonly now: () => number
}

const MINUTE = 60
const HOUR = 60 * MINUTE
const PER_ADDRESS = {
  login: { name: 'sign-ins-of-address', most: 60, windowSeconds: MINUTE },
  register: { name: 'registrations-of-address', most: 30, windowSeconds: HOUR },
  letter: { name: 'letters-of-address', most: 60, windowSeconds: MINUTE },
  link: { name: 'links-of-address', most: 60, windowSeconds: MINUTE },
} as const satisfies Record<string, Limit>
const PER_SESSION: Limit = { name: 'refreshes-of-session', most: 60, windowSeconds: MINUTE }

/** Counters by address in this process; those by account are in Postgres, see `store/accounts.ts`. */
export const guardsPlugin = fp<GuardsPluginOptions>(
  async (app, { enabled, ipv6Bits, now }) => {
    await app.register(fastifyRateLimit, { global: false, store: storeBy(now) })

    const perAddress = (verb: keyof typeof PER_ADDRESS): { readonly onRequest?: Check } => {
      if (!enabled) return {}
      const limit = PER_ADDRESS[verb]
      const check = app.createRateLimit({
        max: limit.most,
        timeWindow: limit.windowSeconds * 1000,
        // Its own would count by `request.ip` as a gateway wrote it, and some add the port of each connection.
        keyGenerator: (request: FastifyRequest) => networkOf(callerOf(request).ip, ipv6Bits),
      })
      return {
        async onRequest(request, reply) {
          const found = await check(request)
          if (found.isAllowed) return
          if (found.isExceeded) throw limited(limit, found.ttlInSeconds)
          const { remaining, ttlInSeconds: resetSeconds } = found
          reply.headers(limitHeaders({ limit, remaining, resetSeconds }))
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
        ? {
            preValidation: async (request, reply) =>
              isGrant(request.body) ? undefined : countLogin(request, reply),
          }
        : {},
      register: perAddress('register'),
      letter: perAddress('letter'),
      link: perAddress('link'),
    })
    app.decorate('refreshLimit', enabled ? createRefreshLimit(now) : { take: () => undefined })
  },
  { name: 'guards', dependencies: ['service-clients'] },
)

/**
 * A limit as draft-ietf-httpapi-ratelimit-headers-10 has it: what it is, what is left of it, and in how many seconds
 * it is whole again. The same form wherever something is limited.
 */
export function limitHeaders({ limit, remaining, resetSeconds }: LimitState): Record<string, string> {
  return {
    'ratelimit-policy': `"${limit.name}";q=${limit.most};w=${limit.windowSeconds}`,
    ratelimit: `"${limit.name}";r=${remaining};t=${resetSeconds}`,
  }
}

/** An OAuth grant at the token endpoint: no password is guessed by it, and its limit is that of the session. */
export function isGrant(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'grant_type' in body
}

/** A window of a minute per session, opened by its first refresh. */
function createRefreshLimit(now: () => number): RefreshLimit {
  const { most, windowSeconds } = PER_SESSION
  const windows = windowsOf(most, windowSeconds * 1000, now)
  return {
    take(sessionId): LimitState {
      const { count, endsInMs } = windows.hit(sessionId)
      const resetSeconds = Math.ceil(endsInMs / 1000)
      if (count > most) throw limited(PER_SESSION, resetSeconds)
      return { limit: PER_SESSION, remaining: most - count, resetSeconds }
    },
  }
}

function limited(limit: Limit, retryAfterSeconds: number): AuthError {
  return new AuthError('rate_limited', { retryAfterSeconds, limit })
}
