import type { Auth, AuthNeeds } from '../core/auth.ts'
import { createAuth } from '../core/auth.ts'
import { AuthError } from '../core/errors.ts'
import type { Passwords } from '../core/password.ts'

/** An answer after three seconds is none: whoever has asked, or the balancer before us, has given up by then. */
const ANSWER_WITHIN_MS = 2800

/**
 * The verbs, each of which ends in time: a statement has its own limit, but of a database that answers each of them
 * slowly a sign-in would wait for five. Who has waited too long is told to try again, as after a lost answer, for
 * what was begun goes on. Hashes do not count; they wait in a queue with a limit of its own, and cost what BCRYPT_COST says.
 */
export function createPatientAuth(needs: AuthNeeds): Auth {
  const auth = createAuth(needs)
  const patient = Object.entries(auth).map(([name, verb]: [string, unknown]) => [
    name,
    typeof verb !== 'function' || AT_ONCE.has(name)
      ? verb
      : (...args: unknown[]) => {
          const patience = createPatience(ANSWER_WITHIN_MS)
          if (name === 'refresh') return patience.run(() => verb(...args))
          const own = createAuth({ ...needs, passwords: patience.spare(needs.passwords) })
          return patience.run(() => Reflect.get(own, name)(...args))
        },
  ])
  return Object.fromEntries(patient)
}

/** They answer from memory, and what is no promise is not to become one. */
const AT_ONCE: ReadonlySet<string> = new Set(['now', 'checkStatus', 'nextCheckIn'] satisfies (keyof Auth)[])

interface Patience {
  /** @throws AuthError `unavailable` when the time is over before the work is done */
  run<T>(work: () => Promise<T>): Promise<T>
  /** The same passwords; while one is hashed, no time passes. */
  spare(passwords: Passwords): Passwords
}

function createPatience(ms: number): Patience {
  let leftMs = ms
  let startedAt = 0
  let hashing = 0
  let timer: NodeJS.Timeout | undefined
  let giveUp: (error: AuthError) => void
  const over = new Promise<never>((_, reject) => {
    giveUp = reject
  })

  function go(): void {
    startedAt = performance.now()
    const refusal = () => giveUp(new AuthError('unavailable', { retryAfterSeconds: 1 }))
    timer = setTimeout(refusal, leftMs).unref()
  }

  function halt(): void {
    clearTimeout(timer)
    leftMs -= performance.now() - startedAt
  }

  async function outside<T>(work: () => Promise<T>): Promise<T> {
    hashing += 1
    if (hashing === 1) halt()
    try {
      return await work()
    } finally {
      hashing -= 1
      if (hashing === 0) go()
    }
  }

  return {
    async run(work) {
      go()
      try {
        return await Promise.race([over, work()])
      } finally {
        clearTimeout(timer)
      }
    },
    spare: (passwords) => ({
      ...passwords,
      hash: (password) => outside(() => passwords.hash(password)),
      verify: (password, stored) => outside(() => passwords.verify(password, stored)),
    }),
  }
}
