// Plain JavaScript, so that a thread starts without a loader, from source as from a build.
import { setPriority } from 'node:os'
import bcrypt from 'bcrypt'

// Of this thread, not of the process: hashing gets what the threads that answer requests leave over. On Linux
// that costs no sign-ins and keeps the other routes at their usual speed.
setPriority(0, 19)

/**
 * Hashes `input` at a cost, or compares it with a hash. In a worker thread the synchronous calls block nobody.
 *
 * @param {{ readonly input: string, readonly cost: number } | { readonly input: string, readonly hash: string }} task
 * @returns {string | boolean}
 */
// biome-ignore lint/style/noDefaultExport: piscina calls the default export of its worker file
export default function work(task) {
  return 'cost' in task ? bcrypt.hashSync(task.input, task.cost) : bcrypt.compareSync(task.input, task.hash)
}
