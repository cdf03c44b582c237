import type { ReadClaims } from './claims.ts'
import type { VerificationKey } from './keyring.ts'
import type { TokenForm } from './token-form.ts'

/** A token whose signature and form were good; its time, its key and its session are judged on every use all the same. */
export interface Remembered {
  readonly form: TokenForm
  readonly key: VerificationKey
  readonly read: ReadClaims
}

export interface Memory {
  get(token: string): Remembered | undefined
  set(token: string, value: Remembered): void
}

/** A few megabytes at most. */
const TOKENS_MAX = 2000

/** What was verified last, so that callers who come often cost one signature each. The oldest leave first. */
export function createMemory(): Memory {
  const tokens = new Map<string, Remembered>()
  return {
    get: (token) => tokens.get(token),
    set(token, value) {
      const known = tokens.get(token)
      if (known?.key === value.key) return
      if (known === undefined && tokens.size >= TOKENS_MAX) tokens.delete(tokens.keys().next().value ?? '')
      tokens.set(token, value)
    },
  }
}
