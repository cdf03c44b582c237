import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import type { Test } from 'tap'
import type { Settings, TestApp } from './app.ts'
import { buildTestApp, testConfig } from './app.ts'
import { createTestDatabase } from './postgres.ts'

/** A service whose PUBLIC_URL is where it really is, as whoever discovers it by that has it. */
export async function startIssuer(t: Test, settings: Settings = {}): Promise<TestApp> {
  const { url: databaseUrl } = await createTestDatabase(t)
  const port = await freePort()
  const config = testConfig(databaseUrl, { PUBLIC_URL: `http://127.0.0.1:${port}`, ...settings })
  const app = await buildTestApp(config)
  t.teardown(() => app.close())
  return { app, url: await app.listen({ host: '127.0.0.1', port }), config, databaseUrl }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
