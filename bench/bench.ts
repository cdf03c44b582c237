import type { Child } from './child.ts'
import type { BenchDatabase } from './database.ts'
import type { LoadFigures } from './load.ts'
import { accessTokens, account, sessionId } from './people.ts'
import type { Rig, Service } from './rig.ts'
import { SESSIONS } from './traffic.ts'

/** What most rows share: one service on one database of a few thousand sessions, and the bare route beside it. */
export interface Bench {
  readonly rig: Rig
  readonly database: BenchDatabase
  readonly service: Service
  readonly bare: Child
  readonly barePort: number
  /** Of the one user who can sign in. */
  readonly login: { readonly username: string; readonly password: string }
}

/** The cheapest that production takes, so that what surrounds a hash weighs as much as it can. */
export const BCRYPT_COST = 10
export const CONNECTIONS = 32
/** Sessions from here on are the yardstick's; those before are rotated by the service. */
export const FIRST_OF_YARDSTICK = SESSIONS + 1

/** Starts them all, and hands the bare route the very answer that the service gives. */
export async function prepareBench(rig: Rig): Promise<Bench> {
  const people = { users: 2 * SESSIONS, sessions: 2 * SESSIONS }
  const database = await rig.database('bench', people)
  const service = await rig.service(database, { BCRYPT_COST: String(BCRYPT_COST) })
  const origin = `http://127.0.0.1:${service.port}`

  const login = { username: 'grace', password: 'a long enough password' }
  const registered = await fetch(`${origin}/register`, {
    method: 'POST',
    body: new URLSearchParams({ ...login, email: 'grace@example.com' }),
  })
  if (registered.status !== 201) throw new Error(`registering answered ${registered.status}`)

  const { token } = accessTokens().mint(account(1), sessionId(1), 0)
  const status = await fetch(`${origin}/check-auth-status`, { headers: { authorization: `Bearer ${token}` } })
  if (status.status !== 200) throw new Error(`/check-auth-status answered ${status.status}`)
  const bare = rig.helper('bare')
  await bare.ask({ ask: 'say', answer: await status.json() })
  return { rig, database, service, bare, barePort: await bare.ask({ ask: 'port' }), login }
}

/** A side of a comparison, measured once. */
export type Side<T> = () => Promise<T>

/** A B A B, because a shared machine is not the same from one minute to the next; the first turn of each warms up. */
export async function interleave<T extends Record<string, unknown>>(
  rounds: number,
  sides: { readonly [Name in keyof T]: Side<T[Name]> },
): Promise<T[]> {
  const results: T[] = []
  for (let round = 0; round <= rounds; round += 1) {
    const entries: [string, unknown][] = []
    for (const [name, side] of Object.entries<Side<unknown>>(sides)) entries.push([name, await side()])
    // Each side was asked once, under its own name.
    if (round > 0) results.push(Object.fromEntries(entries) as T)
  }
  return results
}

export interface Served extends LoadFigures {
  /** CPU of the process per answer, microseconds. */
  readonly cpuMicros: number
}

/** A load, and the CPU that the process which answers it used for each answer. */
export async function serve(
  { rig }: Bench,
  process: Child,
  order: Parameters<Rig['load']>[0],
): Promise<Served> {
  const before = await process.usage()
  const figures = await rig.load(order)
  const after = await process.usage()
  if (figures.refused > 0) throw new Error(`${figures.refused} of ${figures.answered} answers were no 200`)
  return { ...figures, cpuMicros: (after.cpuMicros - before.cpuMicros) / figures.answered }
}
