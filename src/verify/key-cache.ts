import { secondsSince } from './age.ts'
import type { Keyring, VerificationKey } from './keyring.ts'

export interface LoadedKeys {
  readonly keys: Keyring
  /** How long the source says they are good, seconds; `undefined` where it does not say. */
  readonly maxAgeSeconds?: number | undefined
}

export interface KeyCacheNeeds {
  readonly load: () => Promise<LoadedKeys>
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Keys older than this are not believed. */
  readonly maxStaleSeconds: number
  /** Told each time they could not be loaded. */
  readonly onProblem: (error: unknown) => void
}

export interface KeyCache {
  /** The key of that name. Never rejects. */
  find(kid: string): Promise<VerificationKey | 'unknown' | 'unavailable'>
  /** Since the keys were loaded last; `undefined` before. */
  ageSeconds(): number | undefined
  /** Loads them if they never were. @throws what loading throws */
  ready(): Promise<void>
}

/** Between two tries, whoever asks: forged kids must not turn a verifier against the auth service. */
export const COOLDOWN_SECONDS = 10
const REFRESH_SECONDS = { least: 30, standard: 300, most: 3600 } as const

/**
 * Keys in memory. A known kid never waits: a key that is due is loaded again behind its back. An unknown one waits for
 * one try, shared by all who wait, and at most one in COOLDOWN_SECONDS.
 */
export function createKeyCache({ load, now, maxStaleSeconds, onProblem }: KeyCacheNeeds): KeyCache {
  let loaded: { readonly keys: Keyring; readonly at: number; readonly refreshSeconds: number } | undefined
  let triedAt = Number.NEGATIVE_INFINITY
  let failed = false
  let underWay: Promise<void> | undefined

  function reload(): Promise<void> {
    underWay ??= tryToLoad().finally(() => {
      underWay = undefined
    })
    return underWay
  }

  async function tryToLoad(): Promise<void> {
    triedAt = now()
    try {
      const { keys, maxAgeSeconds = REFRESH_SECONDS.standard } = await load()
      const refreshSeconds = Math.min(Math.max(maxAgeSeconds, REFRESH_SECONDS.least), REFRESH_SECONDS.most)
      loaded = { keys, at: now(), refreshSeconds }
      failed = false
    } catch (error) {
      failed = true
      onProblem(error)
      throw error
    }
  }

  /** A try unless there was one just now; the outcome is in `loaded` and `failed`. */
  async function tryOnce(): Promise<void> {
    if (underWay === undefined && secondsSince(triedAt, now()) < COOLDOWN_SECONDS) return
    await reload().catch(() => undefined)
  }

  const isUsable = () => loaded !== undefined && secondsSince(loaded.at, now()) <= maxStaleSeconds

  return {
    async find(kid) {
      if (!isUsable()) await tryOnce()
      if (!isUsable()) return 'unavailable'
      const known = loaded?.keys.get(kid)
      if (known === undefined) {
        await tryOnce()
        return loaded?.keys.get(kid) ?? (failed ? 'unavailable' : 'unknown')
      }
      if (loaded !== undefined && secondsSince(loaded.at, now()) > loaded.refreshSeconds) void tryOnce()
      return known
    },
    ageSeconds: () => (loaded === undefined ? undefined : secondsSince(loaded.at, now())),
    async ready() {
      if (loaded === undefined) await reload()
    },
  }
}
