import { parseArgs } from 'node:util'
import { chanceOf, mixSeed } from '../torture/chance.ts'
import { FAULTS } from './all.ts'
import type { Row } from './fault.ts'
import { observe } from './observe.ts'
import { head, notRun, show } from './table.ts'
import { createWorld } from './world.ts'

// `npm run faults [-- --seed N --only part-of-a-name --rounds N]`: see CONTRIBUTING.md, "Faults".

const REQUESTS_PER_SECOND = 40
const PEOPLE = 40

const { values } = parseArgs({
  options: { seed: { type: 'string' }, only: { type: 'string' }, rounds: { type: 'string' } },
})
const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000))
const rounds = Number(values.rounds ?? 1)
const chosen = FAULTS.filter(({ name }) => name.toLowerCase().includes((values.only ?? '').toLowerCase()))
if (!Number.isSafeInteger(seed) || !(rounds > 0) || chosen.length === 0) {
  console.error(
    `--seed and --rounds are whole numbers, --only is part of one of:\n${FAULTS.map(({ name }) => `  ${name}`).join('\n')}`,
  )
  process.exit(64)
}

const began = performance.now()
const rows: Row[] = []
const world = await createWorld(chanceOf(mixSeed(seed)), REQUESTS_PER_SECOND)
let interrupted = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interrupted = true
    void world.close().then(() => process.exit(1))
  })
}
try {
  await world.startReplicas()
  await world.traffic.populate(PEOPLE)
  console.log(`Faults by seed ${seed}: \`npm run faults -- --seed ${seed}\`\n\n${head()}`)
  for (let round = 0; round < rounds; round += 1) {
    for (const fault of chosen) {
      if (interrupted) break
      const obstacle = await fault.isImpossible?.(world)
      if (obstacle !== undefined) {
        console.log(notRun(fault.name, obstacle))
        continue
      }
      const row = await observe(world, fault)
      rows.push(row)
      console.log(show(row))
      for (const complaint of row.complaints) console.error(`  ${row.fault}: ${complaint}`)
    }
  }
} finally {
  await world.close()
}
const missed = rows.filter(({ complaints }) => complaints.length > 0).length
console.log(
  `\n${rows.length} faults in ${Math.round((performance.now() - began) / 1000)} s, ${missed} of them missed a figure.`,
)
process.exitCode = missed === 0 ? 0 : 1
