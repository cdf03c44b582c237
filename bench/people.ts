import { createHmac } from 'node:crypto'
import type { AccessTokens } from '../src/core/access-token.ts'
import { createAccessTokens } from '../src/core/access-token.ts'
import type { Account } from '../src/core/ports.ts'
import type { NamedSecret, ServerKeys } from '../src/core/server-keys.ts'
import { createServerKeys } from '../src/core/server-keys.ts'

/** Keys of the service under test; the generator makes its first tokens with them. */
export const SECRETS = {
  jwt: named('jwt1', 'jZgC2xfqfLESwfz7g6PQ2APe_t-torsJinw6Z9l4aCg'),
  server: named('srv1', '-6o3TfsPjZkfKhQ6gncJQioixhvNYV3t8yVqX8tCOco'),
}
export const ISSUER = 'http://keyturn.bench'
export const AUDIENCE = 'keyturn'
/** Of a phone, because those who refresh most are phones. */
export const USER_AGENT =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/604.1'

export const keys: ServerKeys = createServerKeys([SECRETS.server])

/** The ids of the sessions that `database.ts` makes are numbers in the form of a uuid v7. */
export function sessionId(number: number): string {
  return `00000000-0000-7000-8000-${number.toString(16).padStart(12, '0')}`
}

/** The account that `database.ts` makes under this id. */
export function account(id: number): Account {
  return {
    id,
    username: `user${id}`,
    email: `user${id}@example.com`,
    emailVerified: true,
    firstName: 'Grace',
    lastName: 'Hopper',
    roles: ['member', 'editor'],
    profile: {},
    activated: true,
    disabled: false,
    createdAt: 0,
    lastLoginAt: undefined,
  }
}

/** Access tokens as the service under test makes them. */
export function accessTokens(): AccessTokens {
  const kind = JSON.stringify({ alg: 'HS256', typ: 'at+jwt', kid: SECRETS.jwt.kid })
  const header = Buffer.from(kind).toString('base64url')
  return createAccessTokens({
    jwt: {
      sign(payload) {
        const signed = `${header}.${Buffer.from(payload).toString('base64url')}`
        return `${signed}.${createHmac('sha256', SECRETS.jwt.secret).update(signed).digest('base64url')}`
      },
      signFor: () => '',
      verify: () => false,
    },
    keys,
    revoked: { has: () => false, add: () => undefined },
    seen: { note: () => undefined },
    profiles: { claims: () => ({}) },
    now: Date.now,
    random: Math.random,
    issuer: ISSUER,
    audience: AUDIENCE,
    ttlSeconds: 900,
  })
}

function named(kid: string, secret: string): NamedSecret {
  return { kid, secret: Buffer.from(secret, 'base64url') }
}
