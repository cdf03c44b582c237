import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Usage } from './usage.ts'

/** A process of the bench. It ends with us, however we end: the channel closes, and that is its sign. */
export interface Child {
  readonly pid: number
  /** Sends a question and waits for its answer; questions may be under way together. */
  ask<Answer>(question: { readonly ask: string; readonly [detail: string]: unknown }): Promise<Answer>
  /** Since its start. */
  usage(): Promise<Usage>
  /** By its id: SIGTERM, and SIGKILL for whoever is deaf to it. */
  stop(): Promise<void>
}

export interface ChildOptions {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Module that is loaded before the program. */
  readonly preload?: URL
}

interface Reply {
  readonly id: number
  readonly answer?: unknown
  readonly error?: string
}

const DEAF_AFTER_MS = 5000
/** No question takes longer: a row of the table is to be done within 40 s. */
const ANSWER_WITHIN_MS = 60_000
const TYPESCRIPT = new URL('../tools/ts.mjs', import.meta.url)

/** Starts a program: ours from source, and built ones as they are. */
export function startChild(program: URL, { args = [], env = {}, preload }: ChildOptions = {}): Child {
  const loaded = preload ?? (program.pathname.endsWith('.ts') ? TYPESCRIPT : undefined)
  const child = fork(fileURLToPath(program), args, {
    execArgv: loaded === undefined ? [] : ['--import', loaded.href],
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // A session of its own keeps Ctrl-C away from it: we decide the order in which things end.
    detached: true,
  })
  const waiting = new Map<number, (reply: Reply) => void>()
  let asked = 0
  // What arrives on the channel was sent by `answerQuestions`.
  child.on('message', (reply: Reply) => {
    waiting.get(reply.id)?.(reply)
    waiting.delete(reply.id)
  })
  child.on('error', () => undefined)
  child.on('exit', (code, signal) => {
    for (const [id, give] of waiting) give({ id, error: `${program.pathname} ended: ${signal ?? code}` })
  })

  function ask<Answer>(question: object): Promise<Answer> {
    const id = asked++
    return new Promise((resolve, reject) => {
      const tooLate = setTimeout(
        () => reject(new Error(`${program.pathname} gave no answer`)),
        ANSWER_WITHIN_MS,
      )
      waiting.set(id, ({ answer, error }) => {
        clearTimeout(tooLate)
        // Question and answer are written by one hand; no type crosses a process.
        error === undefined ? resolve(answer as Answer) : reject(new Error(error))
      })
      child.send({ id, question }, (error) => error && waiting.get(id)?.({ id, error: error.message }))
    })
  }

  return { pid: child.pid ?? 0, ask, usage: () => ask({ ask: 'usage' }), stop: () => endProcess(child) }
}

/** SIGTERM, and SIGKILL for whoever is deaf to it; resolves when it has gone. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  const deaf = setTimeout(() => child.kill('SIGKILL'), DEAF_AFTER_MS)
  await gone
  clearTimeout(deaf)
}

/** What every program needs, and none of the settings of whoever runs the bench. */
export function cleanEnvironment(): Record<string, string> {
  const names = ['PATH', 'HOME', 'TMPDIR', 'LD_LIBRARY_PATH']
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])))
}
