// Plain JavaScript, so that a thread starts without a loader, from source as from a build.
import { pbkdf2Sync, scryptSync, timingSafeEqual } from 'node:crypto'
import { setPriority } from 'node:os'
import bcrypt from 'bcrypt'

// Of this thread, not of the process: hashing gets what the threads that answer requests leave over. On Linux
// that costs no sign-ins and keeps the other routes at their usual speed.
setPriority(0, 19)

/** @typedef {import('./hash-form.ts').HashForm} HashForm */
/** @typedef {import('./ports.ts').PasswordCheck} PasswordCheck */
/** @typedef {import('./ports.ts').Checked} Checked */

/**
 * Hashes `input` at a cost, or holds inputs against a hash. In a worker thread the synchronous calls block nobody.
 *
 * @param {{ readonly input: string, readonly cost: number } | PasswordCheck} task
 * @returns {Promise<string | Checked>}
 */
// biome-ignore lint/style/noDefaultExport: piscina calls the default export of its worker file
export default async function work(task) {
  if ('cost' in task) return bcrypt.hashSync(task.input, task.cost)
  let leastMs = Number.POSITIVE_INFINITY
  for (const input of task.inputs) {
    const hold = await holder(task.against)
    const start = performance.now()
    const matches = hold(input)
    leastMs = Math.min(leastMs, performance.now() - start)
    if (matches) return { matches, ms: leastMs }
  }
  spend(task.roundsOtherwise)
  return { matches: false, ms: leastMs }
}

/**
 * @param {HashForm} form
 * @returns {Promise<(input: string) => boolean>}
 */
async function holder(form) {
  switch (form.kind) {
    case 'bcrypt':
      return (input) => bcrypt.compareSync(input, form.hash)
    case 'pbkdf2':
      return (input) =>
        isSame(
          form.expected,
          pbkdf2Sync(input, form.salt, form.iterations, form.expected.length, form.digest),
        )
    case 'scrypt': {
      const { n: N, r, p, salt, expected } = form
      const options = { N, r, p, maxmem: 256 * N * r + 1024 * r * p }
      return (input) => isSame(expected, scryptSync(input, salt, expected.length, options))
    }
    case 'argon2': {
      // Loaded when the first such hash turns up: most services never see one.
      const { hashRawSync } = await import('@node-rs/argon2')
      const options = {
        algorithm: form.variety,
        version: form.version === 19 ? 1 : 0,
        memoryCost: form.memoryKib,
        timeCost: form.passes,
        parallelism: form.lanes,
        salt: form.salt,
        outputLen: form.expected.length,
      }
      return (input) => isSame(form.expected, hashRawSync(input, options))
    }
  }
}

/**
 * @param {Uint8Array} expected
 * @param {Uint8Array} computed
 */
function isSame(expected, computed) {
  return expected.length === computed.length && timingSafeEqual(expected, computed)
}

const NOBODYS = `${'.'.repeat(21)}.${'.'.repeat(31)}`

/**
 * Works through so many rounds of bcrypt, to the sixteen: its compares come in powers of two.
 * @param {number} rounds
 */
function spend(rounds) {
  for (let left = Math.floor(rounds); left >= 16; ) {
    const cost = Math.min(Math.floor(Math.log2(left)), 15)
    bcrypt.compareSync('', `$2b$${String(cost).padStart(2, '0')}$${NOBODYS}`)
    left -= 2 ** cost
  }
}
