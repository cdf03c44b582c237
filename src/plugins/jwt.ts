import { createHmac } from 'node:crypto'
import type { VerifyOptions } from '@fastify/jwt'
import fastifyJwt from '@fastify/jwt'
import fp from 'fastify-plugin'
import type { JwtSigner } from '../core/ports.ts'
import type { NamedSecret } from '../core/server-keys.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly jwtSigner: JwtSigner
  }
}

export interface JwtPluginOptions {
  /** The first signs, all verify. */
  readonly secrets: readonly NamedSecret[]
  readonly issuer: string
  readonly audience: string
}

const ALGORITHM = 'HS256'
const TYPE = 'at+jwt'

/**
 * JWTs signed with the shared secrets (RFC 7519, typed after RFC 9068). A token is looked at only if its header is,
 * to the byte, one that Keyturn writes for a key of the ring: no header of somebody's making, with its own idea of
 * algorithm, key or extensions, is ever parsed (RFC 8725, 3.1 to 3.3).
 */
export const jwtPlugin = fp<JwtPluginOptions>(
  async (app, { secrets, issuer, audience }) => {
    const [first] = secrets
    if (first === undefined) throw new Error('JWT_SECRETS holds no secret')
    const verify: Partial<VerifyOptions> = {
      algorithms: [ALGORITHM],
      allowedIss: issuer,
      allowedAud: audience,
      checkTyp: TYPE,
      requiredClaims: ['iss', 'aud', 'sub', 'iat', 'exp', 'jti'],
      cache: false,
      errorCacheTTL: -1,
    }
    await app.register(fastifyJwt, {
      secret: first.secret,
      sign: { algorithm: ALGORITHM, kid: first.kid, header: { alg: ALGORITHM, typ: TYPE } },
      verify,
    })
    const header = headerOf(first.kid)
    const verifiers = new Map(
      secrets.map(({ kid, secret }): [string, (token: string) => void] => [
        headerOf(kid),
        secret === first.secret
          ? (token) => void app.jwt.verify(token)
          : (token) => void app.jwt.verify(token, { ...verify, key: secret }),
      ]),
    )

    app.decorate('jwtSigner', {
      sign(payload) {
        const signed = `${header}.${Buffer.from(payload).toString('base64url')}`
        return `${signed}.${createHmac('sha256', first.secret).update(signed).digest('base64url')}`
      },
      verify(token) {
        const [kind, payload, signature, ...more] = token.split('.')
        if (kind === undefined || payload === undefined || signature === undefined || more.length > 0)
          return undefined
        const verifyWithKey = verifiers.get(kind)
        if (verifyWithKey === undefined) return undefined
        try {
          verifyWithKey(token)
        } catch {
          // fast-jwt throws for every bad token, with codes that are nobody's business.
          return undefined
        }
        return Buffer.from(payload, 'base64url').toString('utf8')
      },
    } satisfies JwtSigner)
  },
  { name: 'jwt' },
)

/** The header of every token that Keyturn signs with this key, as it stands in the token. */
function headerOf(kid: string): string {
  return Buffer.from(JSON.stringify({ alg: ALGORITHM, typ: TYPE, kid })).toString('base64url')
}
