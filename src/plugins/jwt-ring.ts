import type { JsonWebKey, KeyObject } from 'node:crypto'
import { createHmac, createPublicKey, sign } from 'node:crypto'
import type { VerifyOptions } from '@fastify/jwt'
import fastifyJwt from '@fastify/jwt'
import Fastify from 'fastify'
import { audienceKeys } from '../core/audience-keys.ts'
import type { NamedSecret } from '../core/server-keys.ts'

export type JwtAlgorithm = 'HS256' | 'EdDSA' | 'ES256' | 'RS256'

export interface NamedPrivateKey {
  readonly kid: string
  readonly algorithm: Exclude<JwtAlgorithm, 'HS256'>
  readonly key: KeyObject
}

/** What tokens are signed and verified with: of the keys of one algorithm the first signs, all of all verify. */
export interface JwtKeys {
  /** JWT_SECRETS: for HS256. */
  readonly secrets: readonly NamedSecret[]
  readonly privateKeys: readonly NamedPrivateKey[]
  /** SERVER_SECRETS, which the keys of the other audiences are derived from. */
  readonly serverSecrets: readonly NamedSecret[]
}

export interface JwtRules {
  readonly algorithm: JwtAlgorithm
  readonly issuer: string
  readonly audience: string
  /** JWT_AUDIENCE_KEYS. */
  readonly otherAudiences: readonly string[]
}

/** Keys made ready for use; it never changes, a new ring takes its place. */
export interface JwtRing {
  readonly signer: Signer
  readonly audienceSigners: ReadonlyMap<string, Signer>
  /** By the header that Keyturn writes for the key. Each throws for a bad token. */
  readonly verifiers: ReadonlyMap<string, (token: string) => void>
  /** The public halves, in the form in which they are published (RFC 7517). */
  readonly publicKeys: readonly JsonWebKey[]
}

/** Signs the JSON text of claims as it stands. */
type Signer = (payload: string) => string

const TYPE = 'at+jwt'

/** @throws Error when no key is there to sign with; the configuration checks it beforehand */
export async function createJwtRing(rules: JwtRules, keys: JwtKeys): Promise<JwtRing> {
  const { algorithm, otherAudiences } = rules
  const [shared] = keys.secrets
  const own = keys.privateKeys.find((key) => key.algorithm === algorithm)
  const signer = algorithm === 'HS256' ? shared && hmacSigner(shared) : own && privateSigner(own)
  if (signer === undefined) throw new Error(`there is no key to sign ${algorithm} with`)

  const verifiers = new Map<string, (token: string) => void>()
  for (const { kid, secret } of keys.secrets)
    verifiers.set(headerOf('HS256', kid), await verifierOf('HS256', secret, rules))
  for (const { kid, algorithm: other, key } of keys.privateKeys) {
    const pem = createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString()
    verifiers.set(headerOf(other, kid), await verifierOf(other, pem, rules))
  }
  const audienceSigners = otherAudiences.flatMap((audience): [string, Signer][] => {
    const [first] = audienceKeys(keys.serverSecrets, audience)
    return first === undefined ? [] : [[audience, hmacSigner(first)]]
  })
  return {
    signer,
    audienceSigners: new Map(audienceSigners),
    verifiers,
    publicKeys: keys.privateKeys.map(publicKeyOf),
  }
}

/**
 * fast-jwt, set to one algorithm and one key. The plugin compiles a verifier only where it is registered, and an app
 * that listens takes no more plugins: each key gets one of its own, which never listens.
 */
async function verifierOf(algorithm: JwtAlgorithm, key: Buffer | string, rules: JwtRules) {
  const verify: Partial<VerifyOptions> = {
    algorithms: [algorithm],
    allowedIss: rules.issuer,
    allowedAud: rules.audience,
    checkTyp: TYPE,
    requiredClaims: ['iss', 'aud', 'sub', 'iat', 'exp', 'jti'],
    cache: false,
    errorCacheTTL: -1,
  }
  const compiler = Fastify()
  await compiler.register(fastifyJwt, { secret: { public: key }, sign: { algorithm }, verify })
  const { jwt } = compiler
  return (token: string) => void jwt.verify(token)
}

function hmacSigner({ kid, secret }: NamedSecret): Signer {
  const header = headerOf('HS256', kid)
  return (payload) => {
    const signed = `${header}.${Buffer.from(payload).toString('base64url')}`
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
  }
}

function privateSigner({ kid, algorithm, key }: NamedPrivateKey): Signer {
  const header = headerOf(algorithm, kid)
  // Of an ECDSA signature a JWT holds both numbers, one after the other, and no DER (RFC 7518, 3.4).
  const how = { key, dsaEncoding: 'ieee-p1363' } as const
  const digest = algorithm === 'EdDSA' ? null : 'sha256'
  return (payload) => {
    const signed = `${header}.${Buffer.from(payload).toString('base64url')}`
    return `${signed}.${sign(digest, Buffer.from(signed), how).toString('base64url')}`
  }
}

/** The header of every token that Keyturn signs with this key, as it stands in the token. */
function headerOf(algorithm: JwtAlgorithm, kid: string): string {
  return Buffer.from(JSON.stringify({ alg: algorithm, typ: TYPE, kid })).toString('base64url')
}

function publicKeyOf({ kid, algorithm, key }: NamedPrivateKey): JsonWebKey {
  return { ...createPublicKey(key).export({ format: 'jwk' }), kid, alg: algorithm, use: 'sig' }
}
