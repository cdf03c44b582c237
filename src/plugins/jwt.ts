import type { JsonWebKey } from 'node:crypto'
import fp from 'fastify-plugin'
import type { JwtSigner } from '../core/ports.ts'
import type { JwtKeys, JwtRing, JwtRules } from './jwt-ring.ts'
import { createJwtRing } from './jwt-ring.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly jwtSigner: JwtSigner
    readonly jwtKeyring: JwtKeyring
  }
}

/** The keys of the moment, which may be replaced while the service runs. */
export interface JwtKeyring {
  /** For `/.well-known/jwks.json`. */
  readonly publicKeys: readonly JsonWebKey[]
  /** Makes keys ready; they are in use from when the function that it gives is called. */
  prepare(keys: JwtKeys): Promise<() => void>
}

export interface JwtPluginOptions extends JwtRules {
  readonly keys: JwtKeys
}

/**
 * JWTs (RFC 7519, typed after RFC 9068). A token is looked at only if its header is, to the byte, one that Keyturn
 * writes for a key of the ring: no header of somebody's making, with its own idea of algorithm, key or extensions, is
 * ever parsed (RFC 8725, 3.1 to 3.3), and no key is ever tried with an algorithm that is not its own.
 */
export const jwtPlugin = fp<JwtPluginOptions>(
  async (app, { keys, ...rules }) => {
    let ring: JwtRing = await createJwtRing(rules, keys)

    app.decorate('jwtKeyring', {
      get publicKeys() {
        return ring.publicKeys
      },
      async prepare(others) {
        const next = await createJwtRing(rules, others)
        return () => {
          ring = next
        }
      },
    } satisfies JwtKeyring)

    app.decorate('jwtSigner', {
      sign: (payload) => ring.signer(payload),
      signFor(audience, payload) {
        const signer = ring.audienceSigners.get(audience)
        if (signer === undefined) throw new Error('an audience without a key was not refused')
        return signer(payload)
      },
      verify(token) {
        const [kind = '', , signature = '', ...more] = token.split('.')
        const verifyWithKey = ring.verifiers.get(kind)
        if (verifyWithKey === undefined || more.length > 0 || !isSpelledOnce(signature)) return false
        try {
          verifyWithKey(token)
          return true
        } catch {
          // fast-jwt throws for every bad token, with codes that are nobody's business.
          return false
        }
      },
    } satisfies JwtSigner)
  },
  { name: 'jwt' },
)

/** The last letter of base64url has bits to spare, which libraries overlook: a token is to have one spelling only. */
function isSpelledOnce(segment: string): boolean {
  const last = segment.at(-1) ?? ''
  switch (segment.length % 4) {
    case 2:
      return 'AQgw'.includes(last)
    case 3:
      return 'AEIMQUYcgkosw048'.includes(last)
    default:
      return segment.length % 4 === 0
  }
}
