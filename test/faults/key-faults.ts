import { readFile } from 'node:fs/promises'
import { newSecret, replaceFile } from '../helpers/keys.ts'
import { until } from '../helpers/until.ts'
import type { Fault } from './fault.ts'
import type { World } from './world.ts'

let rotations = 0

/** Keys change while they are in use, as CONTRIBUTING.md and `keyturn keys rotate` have it: added, promoted, retired. */
export const keyFaults: readonly Fault[] = [
  {
    name: 'Keys rotated under load',
    async happen(world) {
      const { jwt, server } = world.keyFiles
      rotations += 1
      const kids = [`jwt-r${rotations}`, `srv-r${rotations}`] as const
      const [oldJwt, oldServer] = [await readFile(jwt, 'utf8'), await readFile(server, 'utf8')]
      const [newJwt, newServer] = kids.map(newSecret) as [string, string]
      await replaceFile(jwt, `${oldJwt},${newJwt}`)
      await replaceFile(server, `${oldServer},${newServer}`)
      await reload(world, 'all know the new keys', (text) =>
        kids.every((kid) => text.includes(`kid="${kid}"} 0`)),
      )
      await replaceFile(jwt, `${newJwt},${oldJwt}`)
      await replaceFile(server, `${newServer},${oldServer}`)
      await reload(world, 'all sign with them', (text) =>
        kids.every((kid) => text.includes(`kid="${kid}"} 1`)),
      )
      await world.traffic.each(async (person) => {
        // Sessions that nobody refreshes any more end with the key that made their token, as they should.
        person.others = []
        if (person.session !== undefined) await world.client.refresh(person)
      })
      await replaceFile(jwt, newJwt)
      await replaceFile(server, newServer)
      const oldKids = [oldJwt, oldServer].map((entry) => entry.split(':')[0])
      await reload(world, 'all have dropped the old keys', (text) =>
        oldKids.every((kid) => !text.includes(`kid="${kid}"`)),
      )
    },
    isWithoutHashes: true,
    promise: { answerWithinMs: 3000, recoverWithinMs: 0, refusesNobody: true },
  },
]

async function reload(
  { replicas }: World,
  what: string,
  isDone: (metrics: string) => boolean,
): Promise<void> {
  for (const { process: child } of replicas) child.kill('SIGHUP')
  await until(what, async () => {
    const read = async (url: string) => (await fetch(`${url}/metrics`)).text()
    return (await Promise.all(replicas.map(({ url }) => read(url)))).every(isDone)
  })
}
