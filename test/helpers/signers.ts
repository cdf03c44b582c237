import type { Test } from 'tap'
import type { Settings, TestApp } from './app.ts'
import { startApp, TEST_SECRETS } from './app.ts'
import type { ForgersKey } from './forged-tokens.ts'
import { privateKey, secretKey } from './forged-tokens.ts'
import type { Algorithm } from './keys.ts'
import { directory, keySet, newPrivateJwk, replaceFile } from './keys.ts'

/** Settings of a service that signs by this algorithm, and the key that it signs with. */
export async function signerOf(
  t: Pick<Test, 'teardown'>,
  algorithm: Algorithm,
): Promise<{ settings: Settings; key: ForgersKey }> {
  if (algorithm === 'HS256') {
    const [kid = '', secret = ''] = TEST_SECRETS.JWT_SECRETS.split(':')
    return { settings: {}, key: secretKey(kid, secret) }
  }
  const jwk = newPrivateJwk(algorithm, 'private1')
  const file = `${await directory(t)}/keys.json`
  await replaceFile(file, keySet(jwk))
  const settings = { JWT_ALGORITHM: algorithm, JWT_PRIVATE_KEYS_FILE: file, JWT_SECRETS: '' }
  return { settings, key: privateKey(algorithm, jwk) }
}

/** A service that signs by this algorithm. */
export async function serviceSigning(
  t: Test,
  algorithm: Algorithm,
  more: Settings = {},
): Promise<{ service: TestApp; settings: Settings; key: ForgersKey }> {
  const { settings, key } = await signerOf(t, algorithm)
  return { service: await startApp(t, { ...settings, ...more }), settings, key }
}
