import { spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import type { Account } from './embedded-account.ts'

/** A process that cannot outlive us. */
export type Guarded = {
  /** How it ended, `exit 0` or `SIGKILL`; never rejects. */
  ended: Promise<string>
  /** Ends it: SIGTERM and SIGINT, after 8 seconds SIGQUIT, after 3 more SIGKILL. Resolves when it has gone. */
  end(): Promise<void>
  /** From now on it does not keep our event loop alive. */
  unref(): void
  /** The last lines it wrote to stderr. */
  tail(): string
}

/**
 * Starts a command under a shell that holds one end of a pipe. The other end is ours alone, so the kernel closes
 * it when Node ends, by `kill -9` too, and the shell then interrupts the command. The shell does not react to
 * signals, for only Node may decide the order in which a service stops; being a session of its own keeps Ctrl-C
 * away from it.
 */
export function spawnGuarded(options: {
  command: string[]
  cwd: string
  account: Account | undefined
  /** A directory to remove, if empty, when the command has ended. */
  cleanUp?: string
  log?: ((line: string) => void) | undefined
}): Guarded {
  const { account, cwd, cleanUp = '', command, log } = options
  const child = spawn('/bin/sh', ['-c', GUARD, 'keyturn-guard', cleanUp, ...command], {
    cwd,
    detached: true,
    stdio: ['pipe', 'ignore', 'pipe'],
    env: CLEAN_ENVIRONMENT,
    ...(account && { uid: account.uid, gid: account.gid }),
  })
  // EPIPE when the shell has gone first: `ended` tells.
  child.stdin.on('error', () => {})
  const lines: string[] = []
  createInterface(child.stderr).on('line', (line) => {
    lines.push(line.slice(0, 2_000))
    if (lines.length > 40) lines.shift()
    log?.(line)
  })
  let gone = false
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => {
      const reason = signal ?? `exit ${code}`
      // A grandchild may hold stderr open for longer than anyone should wait for its last words.
      const enough = setTimeout(resolve, 250, reason)
      child.once('close', () => {
        clearTimeout(enough)
        resolve(reason)
      })
    })
  }).finally(() => {
    gone = true
  })
  const unref = () => {
    child.unref()
    for (const stream of child.stdio) if (stream instanceof Socket) stream.unref()
  }
  const goneWithin = (ms: number) => Promise.race([ended.then(() => true), pause(ms, false, { ref: false })])
  const signalGroup = (signal: NodeJS.Signals) => {
    if (!gone && child.pid !== undefined) process.kill(-child.pid, signal)
  }
  const end = async () => {
    child.ref()
    child.stdin.end()
    if (await goneWithin(8_000)) return
    signalGroup('SIGQUIT')
    if (await goneWithin(3_000)) return
    signalGroup('SIGKILL')
    await ended
  }
  return { ended, end, unref, tail: () => lines.join('\n').replaceAll('/proc/self/cwd', cwd) }
}

/**
 * The directory as the started process may name it. Through /proc it needs no right to pass the directories
 * above, which an unprivileged account lacks in a clone below /root.
 */
export function fromInside(directory: string): string {
  return process.platform === 'linux' ? '/proc/self/cwd' : directory
}

/** What happened, with the last words of the process. */
export function failure(what: string, guarded: Guarded): Error {
  return new Error(`${what}\n${guarded.tail()}`.trim())
}

/**
 * Nothing of the caller's environment: PGDATA, LANG or PGOPTIONS would make another cluster on another machine.
 * LC_ALL also keeps Postgres' messages in the language in which we look for words.
 */
export const CLEAN_ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

// `wait` reaps the command, and only then is its pid free for others; the reader is killed at once after it.
// SIGTERM goes first because a shell starts its background jobs deaf to SIGINT: until Postgres has handlers of its
// own, SIGTERM ends it and SIGINT is lost; later SIGINT makes the slow shutdown fast. Hence the trap comes late, too.
const GUARD = `
directory=$1; shift
exec 3<&0 </dev/null
"$@" 3<&- & command=$!
trap '' HUP INT QUIT TERM
{ read -r _ <&3; kill -TERM $command; kill -INT $command; } 2>/dev/null & reader=$!
exec 3<&-
wait $command; status=$?
kill -KILL $reader 2>/dev/null
[ -z "$directory" ] || rmdir "$directory" 2>/dev/null
exit $status
`
