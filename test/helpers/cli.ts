import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { delimiter, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { plain } from '../../tools/plain.mjs'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface Ran {
  /** Null after a signal. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Nothing that could be a setting, or that tap means for its own processes. */
export function bareEnvironment(): Record<string, string> {
  const { PATH = '', HOME = '', TMPDIR } = process.env
  return { PATH: dirname(process.execPath) + delimiter + PATH, HOME, ...(TMPDIR ? { TMPDIR } : {}) }
}

/** `keyturn …` in a process of its own, with nothing in its environment but this. */
export async function keyturn(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  stdin = '',
): Promise<Ran> {
  const child = spawn(process.execPath, [plain('src/cli.ts'), ...args], {
    cwd: ROOT,
    env: { ...bareEnvironment(), ...env },
    timeout: 60_000,
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text) => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text) => (output.stderr += text))
  // A verb that does not read it may have ended before it was written.
  child.stdin.on('error', () => undefined).end(stdin)
  const [code] = await once(child, 'close')
  return { code, ...output }
}
