import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { plain } from '../../tools/plain.mjs'
import type { Connections, HttpAnswer, HttpRequest } from './connections.ts'
import { connectionsTo } from './connections.ts'

const PROGRAM = plain('test/torture/keyturn-server.ts')
const CONNECTIONS_MAX = 64
const START_WITHIN_MS = 60_000
/** The process dies up to so long after the requests of those it is to be cut for were sent. */
const DIES_WITHIN_MS = 20

/** Somebody whose schedule says that the process dies now. */
export interface Doomed {
  readonly sendAll: () => void
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** A replica of Keyturn in a process of its own, which dies when it is told to and comes back. */
export interface KeyturnReplica {
  /** Waits while the process is being replaced, unless the one who asks is to be cut. */
  ask(
    request: HttpRequest,
    isDoomed: boolean,
    prepare: () => Promise<unknown>,
  ): Promise<HttpAnswer | undefined>
  /** Kills the process in the middle of what these have under way, and of nothing else; starts another. */
  replace(doomed: readonly Doomed[]): Promise<void>
  close(): Promise<void>
}

export async function startReplica(databaseUrl: string): Promise<KeyturnReplica> {
  let { child, connections } = await start(databaseUrl)
  let underWay = 0
  let quiet = (): void => {}
  let opening: Promise<void> | undefined

  async function untilQuiet(): Promise<void> {
    while (underWay > 0)
      await new Promise<void>((resolve) => {
        quiet = resolve
      })
  }

  return {
    async ask(request, isDoomed, prepare) {
      while (opening !== undefined && !isDoomed) await opening
      underWay += 1
      try {
        await prepare()
        return await connections.ask(request)
      } finally {
        underWay -= 1
        if (underWay === 0) quiet()
      }
    },
    async replace(doomed) {
      let open = (): void => {}
      opening = new Promise((resolve) => {
        open = resolve
      })
      await untilQuiet()
      for (const { sendAll } of doomed) sendAll()
      await pause(Math.random() * DIES_WITHIN_MS)
      await kill(child)
      connections.close()
      await untilQuiet()
      const started = await start(databaseUrl)
      child = started.child
      connections = started.connections
      opening = undefined
      open()
      for (const { resolve } of doomed) resolve()
    },
    async close() {
      connections.close()
      await kill(child)
    },
  }
}

async function start(databaseUrl: string): Promise<{ child: ChildProcess; connections: Connections }> {
  const child = fork(PROGRAM, [databaseUrl], { execArgv: [], detached: true })
  const [port] = await Promise.race([
    once(child, 'message', { signal: AbortSignal.timeout(START_WITHIN_MS) }),
    once(child, 'exit').then(([code]) => {
      throw new Error(`a replica ended as it started: ${code}`)
    }),
  ])
  return { child, connections: connectionsTo(Number(port), CONNECTIONS_MAX) }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}
