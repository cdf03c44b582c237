// Test files that share a process: to start one, with tap and the service in it, costs two seconds of CPU, more than most files do.
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** So many that the groups still spread over the cores, and that none comes near the time limit of a process. */
const LARGEST = 6

/** These have a process of their own, and go first: the groups fill the cores beside the long ones. */
const ALONE = [
  // Threads of their own, which take a core each.
  'core/rotation-schedules.test.ts',
  // As long as a group.
  'server.test.ts',
  'verify/package.test.ts',
  'bench/bench.test.ts',
  // It measures the memory of its process.
  'core/revocation-log.test.ts',
]

/** What tap is to run for all test files of the directory `tests`, in this order; the groups are written into `written`, a directory beside our packages. */
export async function groupTests(tests, written) {
  const files = (await readdir(tests, { recursive: true })).filter((file) => file.endsWith('.test.ts')).sort()
  const missing = ALONE.filter((file) => !files.includes(file))
  if (missing.length > 0)
    throw new Error(`tools/groups.mjs names files that are not there: ${missing.join(', ')}`)
  await mkdir(written, { recursive: true })
  const groups = []
  for (const [name, members] of groupsOf(files.filter((file) => !ALONE.includes(file)))) {
    const group = join(written, `${name}.mjs`)
    await writeFile(group, ["import t from 'tap'\n", ...members.map((file) => member(tests, file))].join(''))
    groups.push(group)
  }
  return [...ALONE.map((file) => join(tests, file)), ...groups]
}

/** Neighbours in a directory, at most LARGEST of them, under a name that tells where they stand. */
function* groupsOf(files) {
  const byDirectory = new Map()
  for (const file of files) {
    const directory = dirname(file)
    byDirectory.set(directory, [...(byDirectory.get(directory) ?? []), file])
  }
  for (const [directory, members] of byDirectory) {
    const count = Math.ceil(members.length / LARGEST)
    const size = Math.ceil(members.length / count)
    for (let n = 0; n < count; n += 1) {
      yield [
        `${directory === '.' ? 'test' : directory.replaceAll('/', '-')}-${n + 1}`,
        members.slice(n * size, (n + 1) * size),
      ]
    }
  }
}

/** The file's tests, below a line that names it: a test's title alone would not say where to look. */
function member(tests, file) {
  const url = JSON.stringify(pathToFileURL(join(tests, file)).href)
  return `t.comment(${JSON.stringify(`test/${file}`)})\nawait import(${url})\n`
}
