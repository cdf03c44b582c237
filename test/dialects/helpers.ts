import type { Test } from 'tap'
import type { Settings, TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'

/** Where each dialect stands in these tests, all of them at once. */
export const ALL = 'canonical=/,simplejwt=/authentication/api,authtoken=/api/auth,signup=/auth,knox=/knox'

/** A service with every dialect mounted. */
export function startAll(
  t: Test,
  settings: Settings = {},
  options?: Parameters<typeof startApp>[2],
): Promise<TestApp> {
  return startApp(t, { DIALECTS: ALL, EMAIL_VERIFICATION: 'optional', ...settings }, options)
}

export function tokenHeader(token: string): Record<string, string> {
  return { authorization: `Token ${token}` }
}
