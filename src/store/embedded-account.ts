import { execFile } from 'node:child_process'
import { chown, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

/** A system account that is not ours, to which only root can step down. */
export type Account = { name: string; uid: number; gid: number }

/**
 * Whom Postgres has to run as: undefined means as ourselves. PostgreSQL refuses root, so root steps down to the
 * owner of an existing cluster, or else to `postgres` or `nobody`.
 *
 * @throws Error naming the owner when the cluster belongs to somebody whom we cannot become.
 */
export async function accountFor(cluster: string): Promise<Account | undefined> {
  const us = process.getuid?.()
  const there = await stat(cluster).catch((error) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (us !== 0) {
    if (there && there.uid !== us) {
      throw new Error(
        `${cluster} belongs to ${await nameOf(there.uid)}, and PostgreSQL runs only as the owner of its files: ` +
          `start Keyturn as that user (or as root), or set another DATA_DIR`,
      )
    }
    return undefined
  }
  if (there && there.uid !== 0) return { name: await nameOf(there.uid), uid: there.uid, gid: there.gid }
  const accounts = await readAccounts()
  const account = ['postgres', 'nobody'].map((name) => accounts.find((a) => a.name === name)).find(Boolean)
  if (account) return account
  throw new Error(
    'PostgreSQL does not run as root, and /etc/passwd has neither a user "postgres" nor "nobody": ' +
      'start Keyturn as an ordinary user, or set DATABASE_URL',
  )
}

/**
 * An empty directory which only the account can open, short enough for a unix socket of the given name.
 *
 * @throws Error naming the directories that were tried.
 */
export async function privateDirectory(account: Account | undefined, socketName: string): Promise<string> {
  const longest = process.platform === 'darwin' ? 103 : 107
  for (const parent of temporaryDirectories()) {
    if (Buffer.byteLength(join(parent, 'keyturn-XXXXXX', socketName)) > longest) continue
    const directory = await mkdtemp(join(parent, 'keyturn-')).catch(() => undefined)
    if (directory === undefined) continue
    if (!account) return directory
    await chown(directory, account.uid, account.gid)
    if (await canEnter(account, directory)) return directory
    await rm(directory, { recursive: true })
  }
  throw new Error(
    `no place for PostgreSQL's socket: ${temporaryDirectories().join(', ')} must be writable, short of name` +
      `${account ? `, and passable for the user ${account.name}` : ''}; set TMPDIR, or DATABASE_URL`,
  )
}

/** TMPDIR may be private to root (pam_tmpdir) or too long for a socket, so it is the first choice, not the only. */
export function temporaryDirectories(): string[] {
  return [...new Set([tmpdir(), '/tmp', '/var/tmp'])]
}

/** Turns a bare EACCES or EROFS on the data directory into a sentence that names its owner. */
export async function explainRefusal<T>(dataDir: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOTDIR' || code === 'EEXIST') throw new Error(`DATA_DIR ${dataDir} is not a directory`)
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw error
    const owner = await ownerOfNearest(dataDir)
    throw new Error(
      `DATA_DIR ${dataDir} cannot be used by ${await nameOf(process.getuid?.() ?? -1)} (${code}); ` +
        `${owner}: start Keyturn as its owner, or set another DATA_DIR`,
    )
  }
}

async function ownerOfNearest(path: string): Promise<string> {
  const there = await stat(path).catch(() => undefined)
  if (!there && dirname(path) !== path) return ownerOfNearest(dirname(path))
  return `${path} belongs to ${there ? await nameOf(there.uid) : 'nobody known'}`
}

// Asked of the kernel, because mode bits alone do not know about access lists and mounts.
async function canEnter(account: Account, directory: string): Promise<boolean> {
  const { uid, gid } = account
  return await promisify(execFile)('/bin/sh', ['-c', 'cd "$1"', 'sh', directory], {
    uid,
    gid,
    cwd: '/',
  }).then(
    () => true,
    () => false,
  )
}

async function nameOf(uid: number): Promise<string> {
  const name = (await readAccounts()).find((account) => account.uid === uid)?.name
  return name === undefined ? `uid ${uid}` : `${name} (uid ${uid})`
}

async function readAccounts(): Promise<Account[]> {
  const text = await readFile('/etc/passwd', 'utf8').catch(() => '')
  return text.split('\n').flatMap((line) => {
    const [name, , uid, gid] = line.split(':')
    return name && uid && gid ? [{ name, uid: Number(uid), gid: Number(gid) }] : []
  })
}
