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

function readText(path: string): string | Wrong {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'not readable'
    return new Wrong(`cannot be read (${reason})`, 'give the path of a file we may read')
  }
}
