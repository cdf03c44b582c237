import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { TextDecoder } from 'node:util'
import { createGunzip } from 'node:zlib'
import { MoveError } from '../store/move-error.ts'

/** A text file, read line by line in constant memory. */
export interface LineFile {
  /** How much of the file has been read, from 0 to 1; `undefined` for standard input. */
  fraction(): number | undefined
  lines(): AsyncGenerator<string>
}

const NEWLINE = 0x0a
/** No line of ours, and none of a user table, is nearly as long. */
const LINE_MAX_BYTES = 64 * 1024 * 1024

/**
 * Opens a file of UTF-8 text, packed with gzip or not; `-` is standard input. Lines end at a line feed and nowhere else:
 * a name may well contain what other programs take for an end of line.
 * @throws MoveError when it cannot be read, is no UTF-8 or is cut off
 */
export async function openLines(path: string): Promise<LineFile> {
  const size = path === '-' ? undefined : await sizeOf(path)
  let read = 0

  async function* raw(): AsyncGenerator<Buffer> {
    const source: AsyncIterable<Buffer> = path === '-' ? process.stdin : createReadStream(path)
    for await (const chunk of source) {
      read += chunk.length
      yield chunk
    }
  }

  async function* chunks(): AsyncGenerator<Buffer> {
    const source = raw()
    const first = await source.next()
    if (first.done === true) return
    const isPacked = first.value[0] === 0x1f && first.value[1] === 0x8b
    const all = Readable.from(concat(first.value, source))
    yield* isPacked ? unpack(all) : all
  }

  async function* lines(): AsyncGenerator<string> {
    const decoder = new TextDecoder('utf-8', { fatal: true })
    let rest: Buffer[] = []
    let restBytes = 0
    try {
      for await (const chunk of chunks()) {
        let start = 0
        for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
          rest.push(chunk.subarray(start, end))
          yield decode(decoder, rest)
          rest = []
          restBytes = 0
          start = end + 1
        }
        rest.push(chunk.subarray(start))
        restBytes += chunk.length - start
        if (restBytes > LINE_MAX_BYTES) throw new MoveError(`${path} has a line of more than 64 MiB.`)
      }
      if (restBytes > 0) yield decode(decoder, rest)
    } catch (error) {
      throw explain(error, path)
    }
  }

  return { fraction: () => (size === undefined ? undefined : Math.min(1, read / Math.max(1, size))), lines }
}

async function* concat(first: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield first
  yield* rest
}

function unpack(packed: Readable): AsyncIterable<Buffer> {
  const unpacked = createGunzip()
  packed.on('error', (error) => unpacked.destroy(error))
  return packed.pipe(unpacked)
}

function decode(decoder: TextDecoder, parts: readonly Buffer[]): string {
  const [only] = parts
  const line = decoder.decode(parts.length === 1 ? only : Buffer.concat(parts))
  // As a dump made on Windows ends its lines; inside a field both forms write it with a backslash.
  return line.endsWith('\r') ? line.slice(0, -1) : line
}

async function sizeOf(path: string): Promise<number> {
  try {
    const found = await stat(path)
    if (found.isDirectory()) throw new MoveError(`${path} is a directory. Give the path of a file.`)
    return found.size
  } catch (error) {
    throw explain(error, path)
  }
}

function explain(error: unknown, path: string): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (/^E[A-Z]+$/.test(code)) return new MoveError(`${path} cannot be read (${code}).`)
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return new MoveError(`${path} is not in UTF-8.`)
  if (code.startsWith('Z_')) return new MoveError(`${path} is cut off or damaged: gzip cannot unpack it.`)
  return error
}
