import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { until } from '../helpers/until.ts'
import type { Fault } from './fault.ts'
import type { World } from './world.ts'

const TABLES = ['users', 'sessions', 'events', 'counters']
const SIZE = '16m'
/** From when somebody was refused for it. */
const FULL_MS = 5000
const NOTICED_WITHIN_SECONDS = 30

let isMounted = false

/** A tablespace on a file system of 16 MiB, which is filled and emptied. The log of the database stays elsewhere. */
export const diskFaults: readonly Fault[] = [
  {
    name: 'Disk of the database full for 5 s',
    async isImpossible(world) {
      if (process.getuid?.() !== 0) return 'a small file system can only be mounted by root'
      const directory = small(world)
      await mkdir(directory, { recursive: true })
      const mount = promisify(execFile)('mount', ['-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', directory])
      const refusal = await mount.then(
        () => undefined,
        () => 'no small file system can be mounted here',
      )
      if (refusal !== undefined) return refusal
      isMounted = true
      world.teardown(() => unmount(directory))
      return undefined
    },
    async prepare({ home, cluster }) {
      const directory = small({ home })
      const { uid, gid } = await stat(join(home, 'primary'))
      await chown(directory, uid, gid)
      await chmod(directory, 0o700)
      await cluster.query(`CREATE TABLESPACE small LOCATION '${directory}'`)
      for (const table of TABLES) {
        await cluster.query(`ALTER TABLE ${table} SET TABLESPACE small`)
        // Pages with room in them would take writes for a long time yet.
        await cluster.query(`VACUUM FULL ${table}`)
      }
    },
    async happen({ cluster, asked }) {
      await cluster.query('CREATE TABLE ballast (text text) TABLESPACE small')
      const fill = async () => {
        for (const rows of [1000, 100, 10, 1]) {
          const some = `INSERT INTO ballast SELECT repeat('x', 1900) FROM generate_series(1, ${rows})`
          while ((await cluster.query(some).catch(() => undefined)) !== undefined);
        }
      }
      const isNoticed = async () => {
        await fill()
        return asked.some(({ status }) => status === 503)
      }
      try {
        await until('somebody was refused for want of room', isNoticed, NOTICED_WITHIN_SECONDS)
        await pause(FULL_MS)
      } finally {
        await cluster.query('DROP TABLE ballast')
      }
    },
    async after({ cluster, home }) {
      for (const table of TABLES) await cluster.query(`ALTER TABLE ${table} SET TABLESPACE pg_default`)
      await cluster.query('CHECKPOINT')
      await cluster.query('DROP TABLESPACE small')
      await unmount(small({ home }))
    },
    promise: { answerWithinMs: 3000, recoverWithinMs: 2000 },
  },
]

const small = ({ home }: Pick<World, 'home'>) => join(home, 'small')

async function unmount(directory: string): Promise<void> {
  if (!isMounted) return
  isMounted = false
  // Lazily: at the end of a run that failed PostgreSQL may still have files open there.
  await promisify(execFile)('umount', ['-l', directory])
}
