import { generateKeyPairSync } from 'node:crypto'
import Fastify from 'fastify'
import type { JwtSigner } from '../../src/core/ports.ts'
import { jwtPlugin } from '../../src/plugins/jwt.ts'
import type { JwtAlgorithm, NamedPrivateKey } from '../../src/plugins/jwt-ring.ts'
import type { Bench } from '../bench.ts'
import { AUDIENCE, ISSUER, SECRETS } from '../people.ts'
import type { Row } from '../table.ts'
import { count, median } from '../table.ts'

const PRIVATE_KEYS: readonly NamedPrivateKey[] = [
  { kid: 'ed', algorithm: 'EdDSA', key: generateKeyPairSync('ed25519').privateKey },
  { kid: 'es', algorithm: 'ES256', key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey },
  { kid: 'rs', algorithm: 'RS256', key: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey },
]
const ALGORITHMS: readonly JwtAlgorithm[] = ['HS256', 'EdDSA', 'ES256', 'RS256']

const SLICES = 10

/** Signing and verifying in this process, without a request around it: what the other algorithms cost HS256, and themselves. */
export async function keyRows({ rig }: Bench): Promise<Row[]> {
  const { rounds, seconds } = rig.effort
  const alone = await signerOf('HS256', [])
  const beside = await Promise.all(ALGORITHMS.map((algorithm) => signerOf(algorithm, PRIVATE_KEYS)))
  // Short and in turn, for in this process nothing but the neighbours of the machine can come between them.
  const slice = seconds / 100
  const figures = Array.from({ length: rounds * SLICES }, () => ({
    alone: speedOf(alone, slice),
    beside: beside.map((signer) => speedOf(signer, slice)),
  }))
  const of = (index: number, what: 'sign' | 'verify') =>
    figures.map((round) => round.beside[index]?.[what] ?? 0)
  const base = (what: 'sign' | 'verify') => figures.map((round) => round.alone[what])
  return (['sign', 'verify'] as const).flatMap((what) => [
    {
      what: `HS256 ${what}, in a ring with EdDSA, ES256 and RS256 keys, tokens/s`,
      measured: count(median(of(0, what))),
      yardstick: `${count(median(base(what)))}, the same without them`,
      rounds: of(0, what).map((speed, round) => speed / (base(what)[round] ?? Number.NaN)),
      target: { atLeast: 0.95 },
    },
    ...ALGORITHMS.slice(1).map((algorithm, index) => ({
      what: `${algorithm} ${what}, tokens/s`,
      measured: count(median(of(index + 1, what))),
      yardstick: `${count(median(base(what)))}, HS256`,
      rounds: of(index + 1, what).map((speed, round) => speed / (base(what)[round] ?? Number.NaN)),
      target: { told: 'told' },
    })),
  ])
}

async function signerOf(
  algorithm: JwtAlgorithm,
  privateKeys: readonly NamedPrivateKey[],
): Promise<JwtSigner> {
  const app = Fastify()
  const keys = { secrets: [SECRETS.jwt], privateKeys, serverSecrets: [SECRETS.server] }
  await app.register(jwtPlugin, { keys, algorithm, issuer: ISSUER, audience: AUDIENCE, otherAudiences: [] })
  return app.jwtSigner
}

/** Tokens a second. */
function speedOf(signer: JwtSigner, seconds: number): { readonly sign: number; readonly verify: number } {
  const iat = Math.floor(Date.now() / 1000)
  const claims = {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: '1',
    iat,
    exp: iat + 900,
    jti: 'a',
    roles: ['member', 'editor'],
  }
  const payload = JSON.stringify({ ...claims, username: 'user1', email: 'user1@example.com' })
  const token = signer.sign(payload)
  return {
    sign: perSecond(seconds, () => signer.sign(payload)),
    verify: perSecond(seconds, () => signer.verify(token)),
  }
}

function perSecond(seconds: number, work: () => unknown): number {
  const start = performance.now()
  let done = 0
  while (performance.now() < start + seconds * 1000) {
    for (let each = 0; each < 50; each += 1) work()
    done += 50
  }
  return (done * 1000) / (performance.now() - start)
}
