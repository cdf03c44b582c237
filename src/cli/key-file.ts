import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { chown, link, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import type { AsymmetricAlgorithm } from '../config.ts'
import { readPrivateKeys, secretKeys, Wrong } from '../config.ts'

/** A key as it stands in a file: an entry of a list, or of a JWK set. */
export interface FileKey {
  readonly kid: string
  /** Of a private key. */
  readonly algorithm?: AsymmetricAlgorithm
  /** `kid:base64url`, or the JWK. */
  readonly entry: string | object
}

export function newSecret(kid: string): FileKey {
  const entry = `${kid}:${randomBytes(32).toString('base64url')}`
  // One in a million looks like something that was typed, and would not be taken.
  return secretKeys.parse(entry) instanceof Wrong ? newSecret(kid) : { kid, entry }
}

export function newPrivateKey(algorithm: AsymmetricAlgorithm, kid: string): FileKey {
  const jwk = makePrivateKey(algorithm).export({ format: 'jwk' })
  return { kid, algorithm, entry: { ...jwk, kid, alg: algorithm, use: 'sig' } }
}

function makePrivateKey(algorithm: AsymmetricAlgorithm) {
  switch (algorithm) {
    case 'EdDSA':
      return generateKeyPairSync('ed25519').privateKey
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    case 'RS256':
      return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    default:
      return algorithm satisfies never
  }
}

/** A name that none of the others has, nor the one byte by which a refresh token would name it. */
export function drawKid(others: readonly FileKey[]): string {
  const byte = (kid: string) => createHash('sha256').update(kid).digest().readUInt8(0)
  const taken = new Set(others.map(({ kid }) => byte(kid)))
  for (;;) {
    const kid = `k${randomBytes(4).toString('hex')}`
    if (!taken.has(byte(kid))) return kid
  }
}

export function textOf(keys: readonly FileKey[]): string {
  const entries = keys.map(({ entry }) => entry)
  if (entries.every((entry) => typeof entry === 'string')) return `${entries.join(',')}\n`
  return `${JSON.stringify({ keys: entries }, null, 2)}\n`
}

/** @throws Error in words, without what stands in the file */
export async function readKeyFile(path: string): Promise<FileKey[]> {
  const text = (await readFile(path, 'utf8').catch(() => fail(`${path} cannot be read.`))).trim()
  if (text.startsWith('{')) {
    const keys = readPrivateKeys(text)
    if (keys instanceof Wrong) return fail(`${path}: it ${keys.problem}.`)
    const { keys: entries }: { keys: object[] } = JSON.parse(text)
    return keys.map(({ kid, algorithm }, index) => ({ kid, algorithm, entry: entries[index] ?? {} }))
  }
  const keys = secretKeys.parse(text)
  if (keys instanceof Wrong) return fail(`${path}: it ${keys.problem}.`)
  return keys.map(({ kid, secret }) => ({ kid, entry: `${kid}:${secret.toString('base64url')}` }))
}

/** A new file that only its owner can read, whole or not at all. @throws Error when there is one already */
export async function createKeyFile(path: string, text: string): Promise<void> {
  const draft = await writeDraft(path, text, 0o600)
  try {
    await link(draft, path)
  } catch (error) {
    const exists = error instanceof Error && 'code' in error && error.code === 'EEXIST'
    fail(exists ? `${path} exists already: rotate it, or name another file.` : `${path} cannot be written.`)
  } finally {
    await rm(draft, { force: true })
  }
}

/**
 * Another text for a file that is there, in one step, so that no reader ever sees half of it. Whoever owned it goes
 * on to, and of the rights to read it those of strangers are taken away.
 */
export async function replaceKeyFile(path: string, text: string): Promise<void> {
  // A link would be replaced and not what it leads to.
  const real = await realpath(path)
  const { mode, uid, gid } = await stat(real)
  const draft = await writeDraft(real, text, mode & 0o640)
  try {
    await chown(draft, uid, gid)
    await rename(draft, real)
  } catch {
    await rm(draft, { force: true })
    fail(`${path} cannot be replaced by you: run this as its owner.`)
  }
}

async function writeDraft(path: string, text: string, mode: number): Promise<string> {
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  const file = await open(draft, 'wx', mode).catch(() => fail(`${path} cannot be written.`))
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  return draft
}

export function fail(message: string): never {
  throw new Error(message)
}
