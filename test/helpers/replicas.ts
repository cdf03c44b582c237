import type { Test } from 'tap'
import type { Settings, TestApp } from './app.ts'
import { startApp } from './app.ts'
import { get } from './client.ts'
import type { GateOptions } from './gate.ts'
import { gateTo } from './gate.ts'
import { createTestDatabase } from './postgres.ts'
import { until } from './until.ts'

export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

export async function metricOf(service: TestApp, name: string): Promise<number> {
  const text = String((await get(`${service.url}/metrics`)).body['text'])
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
}

/** Until every one of them hears what others revoke, or none does. */
export async function untilListening(services: readonly TestApp[], wanted = 1): Promise<void> {
  for (const service of services)
    await until(
      wanted === 1 ? 'it listens' : 'it listens no more',
      async () => (await metricOf(service, 'keyturn_revocations_listening')) === wanted,
    )
}

/** Two replicas, the second of which reaches the database through a gate that does something to the bytes. */
export async function startBehind(
  t: Test,
  options: GateOptions,
  settings: Settings = {},
): Promise<[here: TestApp, there: TestApp]> {
  const { url } = await createTestDatabase(t)
  const gate = await gateTo(t, url, options)
  return [
    await startApp(t, settings, { databaseUrl: url }),
    await startApp(t, settings, { databaseUrl: gate.url }),
  ]
}

/** The server's own answer to the opening of a connection, with another backend in it: what a pooler says. */
export function withOtherBackend(bytes: Buffer): Buffer {
  // BackendKeyData: 'K', the length 12 or more, the process, the key.
  const at = bytes.indexOf(Buffer.from([0x4b, 0, 0, 0, 12]))
  if (at !== -1 && bytes.includes('server_version')) bytes.writeInt32BE(bytes.readInt32BE(at + 5) + 1, at + 5)
  return bytes
}
