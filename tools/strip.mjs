import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** Stripped sources by the hash of what they were stripped of: a test run starts hundreds of processes. */
const CACHE = new URL('../node_modules/.cache/keyturn-ts/', import.meta.url)

/**
 * The file without its types, with every line where it stood: stack traces and coverage name the right line.
 * @param {string} filename
 */
export async function stripped(filename) {
  const source = await readFile(filename, 'utf8')
  const kept = new URL(`${createHash('sha256').update(source).digest('hex')}.js`, CACHE)
  return readFile(kept, 'utf8').catch(() => strip(source, filename, kept))
}

/**
 * @param {string} source
 * @param {string} filename
 * @param {URL} kept
 */
async function strip(source, filename, kept) {
  const { transformSync } = await import('@swc/wasm-typescript')
  const { code } = transformSync(source, { mode: 'strip-only', filename })
  try {
    await replace(fileURLToPath(kept), code)
  } catch {
    // A directory that may not be written to only costs time.
  }
  return code
}

/**
 * Writes by a name of its own first: other processes read at the same time.
 * @param {string} path
 * @param {string} text
 */
export async function replace(path, text) {
  await mkdir(new URL('.', pathToFileURL(path)), { recursive: true })
  const written = `${path}.${randomUUID()}`
  await writeFile(written, text)
  await rename(written, path)
}
