// Test files that share a process: to start one, with tap and the service in it, costs two seconds of CPU, more than most files do.
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** So many that the groups still spread over the cores, and that none comes near the time limit of a process. */
const LARGEST = 10

/** These have a process of their own, and go first: whatever is long fills no core alone at the end. */
const ALONE = [
  // They wait more than they work.
  'server.test.ts',
  'faults/faults.test.ts',
  // Threads of their own, which take a core each.
  'core/rotation-schedules.test.ts',
  'verify/package.test.ts',
  'bench/bench.test.ts',
  // It measures the memory of its process.
  'core/revocation-log.test.ts',
]

/**
 * What tap is to run for all test files of the directory `tests`: a file for each group, written into `written`, a
 * directory beside our packages. Tap goes by their names, which begin with a number.
 */
export async function groupTests(tests, written) {
  const files = (await readdir(tests, { recursive: true })).filter((file) => file.endsWith('.test.ts')).sort()
  const missing = ALONE.filter((file) => !files.includes(file))
  if (missing.length > 0)
    throw new Error(`tools/groups.mjs names files that are not there: ${missing.join(', ')}`)
  await mkdir(written, { recursive: true })
  const groups = [...ALONE.map((file) => [file]), ...groupsOf(files.filter((file) => !ALONE.includes(file)))]
  return Promise.all(
    groups.map(async (members, index) => {
      const [first = ''] = members
      const name = `${String(index).padStart(2, '0')}-${dirname(first).replace('.', 'test')}.mjs`
      const group = join(written, name)
      await writeFile(
        group,
        ["import t from 'tap'\n", ...members.map((file) => member(tests, file))].join(''),
      )
      return group
    }),
  )
}

/** Most of what a file costs is its process; those of these directories start more than one service, and go before others. */
const HEAVY = { plugins: 3, cli: 2, store: 1.5 }
const weightOf = (files) => files.length * (HEAVY[dirname(files[0])] ?? 1)

/** Neighbours in a directory, at most LARGEST of them; directories with few tests share a group. */
function groupsOf(files) {
  const byDirectory = new Map()
  for (const file of files) {
    const directory = dirname(file)
    byDirectory.set(directory, [...(byDirectory.get(directory) ?? []), file])
  }
  const parts = [...byDirectory.values()].flatMap((members) => {
    const count = Math.ceil(members.length / LARGEST)
    const size = Math.ceil(members.length / count)
    return Array.from({ length: count }, (_, n) => members.slice(n * size, (n + 1) * size))
  })
  const groups = []
  for (const part of parts.sort((one, other) => weightOf(other) - weightOf(one))) {
    const roomy = groups.find((group) => group.length + part.length <= LARGEST)
    if (roomy) roomy.push(...part)
    else groups.push([...part])
  }
  return groups
}

/** The file's tests, below a line that names it: a test's title alone would not say where to look. */
function member(tests, file) {
  const url = JSON.stringify(pathToFileURL(join(tests, file)).href)
  return `t.comment(${JSON.stringify(`test/${file}`)})\nawait import(${url})\n`
}
