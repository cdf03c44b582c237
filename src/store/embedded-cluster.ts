import { chown, mkdtemp, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Account } from './embedded-account.ts'
import { failure, fromInside, spawnGuarded } from './embedded-guard.ts'

export const SUPERUSER = 'keyturn'

/** initdb under a temporary name: a directory called `postgres` is therefore always a whole cluster. */
export async function createCluster(options: {
  dataDir: string
  cluster: string
  bin: string
  account: Account | undefined
  durable: boolean
}): Promise<void> {
  const { dataDir, cluster, bin, account, durable } = options
  for (const name of await readdir(dataDir)) {
    if (name.startsWith('postgres.init-'))
      await rm(join(dataDir, name), { recursive: true, force: true, maxRetries: 9 })
  }
  const draft = await mkdtemp(join(dataDir, 'postgres.init-'))
  try {
    if (account) await chown(draft, account.uid, account.gid)
    const guarded = spawnGuarded({
      command: [
        join(bin, 'initdb'),
        ...['-D', fromInside(draft), '--username', SUPERUSER, '--auth=trust', '--no-instructions'],
        // Said in full, because initdb would otherwise take them from LANG, and make SQL_ASCII without it.
        ...['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'],
        ...(durable ? [] : ['--no-sync']),
      ],
      cwd: draft,
      account,
    })
    const reason = await guarded.ended
    if (reason !== 'exit 0')
      throw failure(`initdb could not make a database cluster in ${dataDir} (${reason})`, guarded)
    await rename(draft, cluster)
    // Without this a power cut could take back the name, and with it everything committed since.
    if (durable) await syncDirectory(dataDir)
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    throw error
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
