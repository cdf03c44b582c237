import type { KeyObject } from 'node:crypto'
import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

export const ALGORITHMS = ['HS256', 'EdDSA', 'ES256', 'RS256'] as const
export type Algorithm = (typeof ALGORITHMS)[number]
export type PrivateAlgorithm = Exclude<Algorithm, 'HS256'>

/** A new secret, as an entry of JWT_SECRETS or SERVER_SECRETS. */
export function newSecret(kid: string): string {
  return `${kid}:${randomBytes(32).toString('base64url')}`
}

/** A new private key, as a file of JWT_PRIVATE_KEYS_FILE holds it. */
export function newPrivateJwk(algorithm: PrivateAlgorithm, kid: string): Record<string, unknown> {
  return { ...newPrivateKey(algorithm).export({ format: 'jwk' }), kid, alg: algorithm, use: 'sig' }
}

export function newPrivateKey(algorithm: PrivateAlgorithm): KeyObject {
  switch (algorithm) {
    case 'EdDSA':
      return generateKeyPairSync('ed25519').privateKey
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    case 'RS256':
      return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  }
}

export function keySet(...keys: readonly Record<string, unknown>[]): string {
  return JSON.stringify({ keys })
}

/** A directory of the test's own. */
export async function directory(t: Pick<Test, 'teardown'>): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'keyturn-keys-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

/** Writes a file as a careful operator does: whole, and in one step. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomUUID()}`
  await writeFile(draft, text, { mode: 0o600 })
  await rename(draft, path)
}
