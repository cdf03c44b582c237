import { setPriority } from 'node:os'
import bcrypt from 'bcrypt'

/** What a worker thread is asked to do: hash at a cost, or compare with a hash. */
export type BcryptTask =
  | { readonly kind: 'hash'; readonly input: string; readonly cost: number }
  | { readonly kind: 'compare'; readonly input: string; readonly hash: string }

// Of this thread, not of the process: hashing gets what the threads that answer requests leave over. On Linux
// that costs no sign-ins and keeps the other routes at their usual speed.
setPriority(0, 19)

/** Runs in a worker thread, where the synchronous calls block nobody. */
// biome-ignore lint/style/noDefaultExport: piscina calls the default export of its worker file
export default function work(task: BcryptTask): string | boolean {
  return task.kind === 'hash'
    ? bcrypt.hashSync(task.input, task.cost)
    : bcrypt.compareSync(task.input, task.hash)
}
