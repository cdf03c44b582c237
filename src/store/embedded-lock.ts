import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rename, rm, rmdir, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/**
 * Takes the data directory for this process; the answer gives it back.
 *
 * The lock is a directory with one file, named after its holder. rename() puts ours in place only while the lock is
 * missing or empty, and unlink() of a dead holder's name can never hit a living one's: of many starts at once exactly
 * one wins, also over a lock left by `kill -9`.
 *
 * @throws Error naming the pid of the holder.
 */
export async function lockDataDirectory(dataDir: string): Promise<() => Promise<void>> {
  const lock = join(dataDir, 'keyturn.lock')
  const ours = `${process.pid}.${bornAt(process.pid)}.${randomBytes(6).toString('hex')}`
  const offer = await mkdtemp(`${lock}.`)
  try {
    await writeFile(join(offer, ours), '')
    while (!(await takesPlaceOf(offer, lock))) {
      for (const name of await readdir(lock).catch(unlessMissing([]))) {
        const [pid, birth] = name.split('.')
        if (birth !== undefined && bornAt(Number(pid)) === birth) {
          throw new Error(
            `DATA_DIR ${dataDir} is in use by the Keyturn process with pid ${pid}: ` +
              'stop it, or set another DATA_DIR and PORT',
          )
        }
        await unlink(join(lock, name)).catch(unlessMissing(undefined))
      }
    }
  } catch (error) {
    await rm(offer, { recursive: true, force: true })
    throw error
  }
  return async () => {
    await rm(join(lock, ours), { force: true })
    // Not empty means that the next holder is there already.
    await rmdir(lock).catch(() => {})
  }
}

async function takesPlaceOf(offer: string, lock: string): Promise<boolean> {
  try {
    await rename(offer, lock)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && /^(ENOTEMPTY|EEXIST)$/.test(String(error.code)))
      return false
    throw error
  }
}

/**
 * Makes sure that no postmaster of an earlier run holds the cluster. One that lives has lost its Node process and is
 * on its way out: it is interrupted and awaited. A pid file whose process is dead, a zombie or a stranger is removed,
 * because Postgres itself only asks whether the pid exists, and would refuse to start. Call it under the lock only.
 *
 * @throws Error when the postmaster survives 10 seconds.
 */
export async function retirePostmaster(cluster: string): Promise<void> {
  const file = join(cluster, 'postmaster.pid')
  const patience = AbortSignal.timeout(7_000)
  const end = AbortSignal.timeout(10_000)
  let signal: NodeJS.Signals | undefined
  for (;;) {
    const pid = Number.parseInt(await readFile(file, 'utf8').catch(unlessMissing('')), 10)
    if (!isPostmasterOf(pid, cluster)) break
    if (end.aborted) {
      throw new Error(
        `the PostgreSQL of an earlier run (pid ${pid}) does not leave ${cluster}: end it and start again`,
      )
    }
    const next = patience.aborted ? 'SIGQUIT' : 'SIGINT'
    if (signal !== next) interrupt(pid, next)
    signal = next
    await pause(10)
  }
  await rm(file, { force: true })
}

function interrupt(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // Gone between the look and the signal: the next look tells.
  }
}

function isPostmasterOf(pid: number, cluster: string): boolean {
  if (!(pid > 1) || bornAt(pid) === undefined) return false
  if (process.platform !== 'linux') {
    return ps(pid, 'command').includes('postgres') && ps(pid, 'command').includes(cluster)
  }
  try {
    const home = statSync(`/proc/${pid}/cwd/`)
    const here = statSync(cluster)
    const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
    return name === 'postgres' && home.dev === here.dev && home.ino === here.ino
  } catch {
    return false
  }
}

/**
 * When a process was born, in a unit of the system's own; undefined for the dead and for zombies. With the pid it
 * names a process for good, where a pid alone is given out again (in a container nearly always).
 */
function bornAt(pid: number): string | undefined {
  if (!Number.isSafeInteger(pid)) return undefined
  if (process.platform !== 'linux') {
    return ps(pid, 'stat').startsWith('Z') ? undefined : ps(pid, 'lstart').replace(/\W+/g, '-') || undefined
  }
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name before the bracket may itself hold blanks and brackets.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return /[ZX]/.test(fields[0] ?? '') ? undefined : fields[19]
  } catch {
    return undefined
  }
}

function ps(pid: number, column: string): string {
  try {
    return execFileSync('ps', ['-o', `${column}=`, '-p', String(pid)], {
      encoding: 'utf8',
      env: { LC_ALL: 'C' },
    }).trim()
  } catch {
    return ''
  }
}

function unlessMissing<T>(otherwise: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT') return otherwise
    throw error
  }
}
