import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { VerifierOptions } from '../../src/verify/index.ts'
import { plain } from '../../tools/plain.mjs'
import type { Teardown } from './postgres.ts'

/** A service of its own, in a process of its own, that verifies by `keyturn/verify` and asks nobody for each token. */
export interface VerifierProcess {
  /** What it says of a token: `good`, or the code of the refusal. */
  verdictOf(token: string): Promise<string>
}

/** Starts one that has its keys and the feed already. */
export async function startVerifier(t: Teardown, options: VerifierOptions): Promise<VerifierProcess> {
  const child = fork(plain('test/helpers/verifier-child.ts'), [JSON.stringify(options)], { execArgv: [] })
  t.teardown(async () => {
    child.kill('SIGTERM')
    await once(child, 'exit')
  })
  const [greeting] = await once(child, 'message')
  if (greeting !== 'ready') throw new Error(`the verifier did not start: ${greeting}`)
  return {
    async verdictOf(token) {
      child.send(token)
      const [verdict] = await once(child, 'message')
      return String(verdict)
    },
  }
}
