// The sources as plain JavaScript, for what tests start in processes of their own: to strip types while modules load
// takes a thread and a message for each of 800 modules, more CPU than all the rest of starting the service.
import { mkdir, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { replace, stripped } from './strip.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PLAIN = join(ROOT, 'node_modules/.cache/keyturn-plain')
const DIRECTORIES = ['src', 'test/helpers', 'test/torture']
/** What the sources look for beside their directory. */
const BESIDE = ['migrations', 'package.json', 'tools', 'vectors', 'test/fixtures']
const RELATIVE_IMPORT = /(\b(?:from|import)\s*\(?\s*)'(\.{1,2}\/[^'\n]+)\.ts'/g

/**
 * Where a source, named from the root of the project, stands as JavaScript once `writePlain` has run.
 * @param {string} source
 */
export const plain = (source) => join(PLAIN, source.replace(/\.ts$/, '.js'))

/** Brings the copies up to date; one whose source has gone goes too. */
export async function writePlain() {
  for (const directory of DIRECTORIES) {
    const sources = await filesIn(join(ROOT, directory))
    const wanted = new Set(sources.map((file) => plain(join(directory, file))))
    for (const file of await filesIn(join(PLAIN, directory)).catch(() => [])) {
      const copy = join(PLAIN, directory, file)
      if (file.endsWith('.js') && !wanted.has(copy)) await rm(copy, { force: true })
    }
    await Promise.all(sources.map((file) => writeOne(join(directory, file))))
  }
  for (const name of BESIDE) {
    const link = join(PLAIN, name)
    await mkdir(dirname(link), { recursive: true })
    await symlink(join(ROOT, name), link).catch((error) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
}

/** @param {string} directory */
async function filesIn(directory) {
  const names = await readdir(directory, { recursive: true })
  return names.filter((name) => /\.(?:ts|js)$/.test(name) && !name.endsWith('.test.ts'))
}

/** @param {string} source */
async function writeOne(source) {
  const path = join(ROOT, source)
  const code = source.endsWith('.ts')
    ? (await stripped(path)).replace(RELATIVE_IMPORT, "$1'$2.js'")
    : await readFile(path, 'utf8')
  const before = await readFile(plain(source), 'utf8').catch(() => undefined)
  if (code !== before) await replace(plain(source), code)
}
