import fp from 'fastify-plugin'
import type { AccessTokens } from '../core/access-token.ts'
import { createAccessTokens } from '../core/access-token.ts'
import type { Auth } from '../core/auth.ts'
import type { Passwords } from '../core/password.ts'
import { createPasswords } from '../core/password.ts'
import type { Policy } from '../core/policy.ts'
import type { ServerKeys } from '../core/server-keys.ts'
import { createEventWitness } from './event-witness.ts'
import { createPatientAuth } from './patience.ts'
import { witnessed } from './witnessed-store.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly auth: Auth
    readonly passwords: Passwords
    readonly accessTokens: AccessTokens
  }
}

export interface AuthPluginOptions {
  readonly policy: Policy
  /** Of the access tokens of every dialect that is mounted, the longest life. */
  readonly longestTtlSeconds: number
  readonly keys: ServerKeys
  readonly issuer: string
  readonly audience: string
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** From 0 up to 1. */
  readonly random: () => number
}

/** The verbs of the core, bound to the long-lived things of this process. */
export const authPlugin = fp<AuthPluginOptions>(
  async (app, { policy, longestTtlSeconds, keys, issuer, audience, now, random }) => {
    const accessTokens = createAccessTokens({
      jwt: app.jwtSigner,
      keys,
      revoked: app.revokedSessions,
      seen: app.seenGenerations,
      profiles: app.profiles,
      now,
      random,
      issuer,
      audience,
      ttlSeconds: policy.accessTtlSeconds,
      longestTtlSeconds,
    })
    const passwords = createPasswords(app.bcryptPool, policy.bcryptCost)
    const store = witnessed(app.store, createEventWitness(app.metrics))
    app.decorate('passwords', passwords)
    app.decorate('accessTokens', accessTokens)
    app.decorate(
      'auth',
      createPatientAuth({
        policy,
        keys,
        accounts: store.accounts,
        sessions: store.sessions,
        events: store.events,
        changes: store.changes,
        records: store.records,
        widgets: store.widgets,
        profiles: app.profiles,
        passwords,
        commonPasswords: app.commonPasswords,
        accessTokens,
        now,
        random,
        revoked: app.revokedSessions,
        refreshLimit: app.refreshLimit,
        outbox: app.outbox,
        count: (verdict) => app.metrics.countRefresh(verdict),
      }),
    )
  },
  {
    name: 'auth',
    dependencies: [
      'database',
      'jwt',
      'revocations',
      'seen',
      'bcrypt-pool',
      'common-passwords',
      'profile',
      'guards',
      'mail',
      'metrics',
    ],
  },
)
