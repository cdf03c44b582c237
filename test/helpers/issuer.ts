import type { Test } from 'tap'
import type { Settings, TestApp } from './app.ts'
import { startApp } from './app.ts'
import { freePort } from './free-port.ts'

/** A service whose PUBLIC_URL is where it really is, as whoever discovers it by that has it. */
export async function startIssuer(t: Test, settings: Settings = {}): Promise<TestApp> {
  const port = await freePort()
  return startApp(t, { PUBLIC_URL: `http://127.0.0.1:${port}`, ...settings }, { port })
}
