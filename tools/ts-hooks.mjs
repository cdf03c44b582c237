import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** Stripped sources by the hash of what they were stripped of: a test run starts hundreds of processes. */
const CACHE = new URL('../node_modules/.cache/keyturn-ts/', import.meta.url)

/** Strips types and leaves every line where it stood, so that stack traces and coverage name the right line. */
export async function load(url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.ts') || url.includes('/node_modules/'))
    return next(url, context)
  const filename = fileURLToPath(url)
  const source = await readFile(filename, 'utf8')
  const kept = new URL(`${createHash('sha256').update(source).digest('hex')}.js`, CACHE)
  const code = await readFile(kept, 'utf8').catch(() => strip(source, filename, kept))
  return { format: 'module', source: code, shortCircuit: true }
}

async function strip(source, filename, kept) {
  const { transformSync } = await import('@swc/wasm-typescript')
  const { code } = transformSync(source, { mode: 'strip-only', filename })
  try {
    await mkdir(CACHE, { recursive: true })
    // By a name of its own first: other processes read at the same time.
    const written = new URL(randomUUID(), CACHE)
    await writeFile(written, code)
    await rename(written, kept)
  } catch {
    // A directory that may not be written to only costs time.
  }
  return code
}
