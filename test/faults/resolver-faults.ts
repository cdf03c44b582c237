import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Fault } from './fault.ts'
import type { World } from './world.ts'

const PRELOAD = new URL('fickle-resolver.mjs', import.meta.url).href
const NAME = 'database.keyturn.test'
const OUTAGE_MS = 3500
/** What was under way when the connections broke is refused, and new ones have to be opened. */
const SETTLED_MS = 1000

const moodFile = ({ home }: World) => join(home, 'resolver')
let complaints: string[] = []

/** The database is known by a name, all connections break, and nobody says any more where it is. */
export const resolverFaults: readonly Fault[] = [
  {
    name: 'Resolver fails, then hangs, while all connections break',
    async prepare(world) {
      const url = new URL(world.gate.url)
      url.hostname = NAME
      await writeFile(moodFile(world), 'well')
      await world.startReplicas({
        NODE_OPTIONS: `--import=${PRELOAD}`,
        RESOLVER_NAME: NAME,
        RESOLVER_MOOD: moodFile(world),
        DATABASE_URL: url.href,
      })
    },
    async happen(world) {
      complaints = []
      for (const mood of ['fails', 'hangs']) {
        await writeFile(moodFile(world), mood)
        world.gate.reset()
        const settled = performance.now() + SETTLED_MS
        await pause(OUTAGE_MS)
        const late = world.asked.filter(({ status, startedAt }) => status === 503 && startedAt > settled)
        if (late.length > 0)
          complaints.push(`${late.length} refused although the address was known: it ${mood}`)
      }
      await writeFile(moodFile(world), 'well')
    },
    check: async () => complaints,
    after: (world) => world.startReplicas(),
    promise: { answerWithinMs: 3000, recoverWithinMs: 2000 },
  },
]
