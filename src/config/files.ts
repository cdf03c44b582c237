import { readFileSync } from 'node:fs'
import { Wrong } from './faults.ts'
import type { Parser } from './values.ts'

const STYLESHEET_MAX_BYTES = 65_536

/** The path of a style sheet, read as what stands in it, which goes into a `<style>` element as it is. */
export const stylesheet: Parser<string> = {
  expected: 'the path of a CSS file in UTF-8 of up to 64 KiB',
  parse(path) {
    const css = readText(path)
    if (css instanceof Wrong) return css
    if (Buffer.byteLength(css) > STYLESHEET_MAX_BYTES) return new Wrong('names a file of more than 64 KiB')
    if (/<\/style/i.test(css))
      return new Wrong('names a file with "</style" in it, which would end the style')
    return css.includes('\0') ? new Wrong('names a file with a NUL in it') : css
  },
}

/** The path of a JSON file, read as what stands in it. `path` is for messages about what that means. */
export const jsonFile: Parser<{ readonly path: string; readonly document: unknown }> = {
  expected: 'the path of a JSON file in UTF-8',
  parse(path) {
    const text = readText(path)
    if (text instanceof Wrong) return text
    try {
      return { path, document: JSON.parse(text) }
    } catch (error) {
      const place = error instanceof Error ? placeIn(text, error.message) : ''
      return new Wrong(`names a file that is no JSON${place}`, 'correct the file')
    }
  },
}

/** Where a parser stopped, in lines and columns; it counts in characters, or not at all where the text ends early. */
function placeIn(text: string, message: string): string {
  const position = /position (\d+)/.exec(message)?.[1]
  const before = text.slice(0, position === undefined ? text.length : Number(position)).split('\n')
  return ` at line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`
}

function readText(path: string): string | Wrong {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'not readable'
    return new Wrong(`cannot be read (${reason})`, 'give the path of a file we may read')
  }
}
