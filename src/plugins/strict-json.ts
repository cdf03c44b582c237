import { isUtf8 } from 'node:buffer'
import { BodyError, quoted } from './body-error.ts'

/** How many arrays and objects may be open at once; 33 is refused. */
const maxDepth = 32

/**
 * Reads a JSON text (RFC 8259) of which every reader must see the same value. Where it returns, it returns
 * what `JSON.parse` does.
 *
 * A leading byte order mark is ignored (RFC 8259 §8.1 allows it). Refused with a 400 `BodyError`: bytes that
 * are not UTF-8; more than 32 levels; a name twice in one object (compared after unescaping: I-JSON, RFC 7493
 * §2.3); `__proto__`, and `prototype` inside `constructor`; NUL and lone surrogates in names and strings (RFC
 * 7493 §2.1), which Postgres cannot hold; numbers beyond a double's range.
 */
export function parseStrictJson(bytes: Uint8Array): unknown {
  if (!isUtf8(bytes)) throw new BodyError(400, 'The JSON body is not valid UTF-8.')
  const text = withoutMark(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
  inspect(text)
  return parse(text)
}

/**
 * One open array or object: the names seen so far (objects only), the latest of them, and the name it is
 * itself held by.
 */
interface Level {
  readonly names: Set<string> | undefined
  readonly heldBy: string | undefined
  latest: string | undefined
}

// One pass that follows brackets and strings only. On text that is no JSON it may lose its way; JSON.parse
// then refuses it.
function inspect(text: string): void {
  const outer: (Level | undefined)[] = []
  let level: Level | undefined
  let nameIsNext = false
  let at = 0
  while (at < text.length) {
    const unit = text.charCodeAt(at)
    if (unit === 0x22 /* " */) {
      const end = endOfString(text, at)
      if (nameIsNext && level !== undefined) addName(level, nameBetween(text, at, end))
      nameIsNext = false
      at = end
    } else if (unit === 0x7b /* { */ || unit === 0x5b /* [ */) {
      if (outer.push(level) > maxDepth) throw tooDeep()
      nameIsNext = unit === 0x7b
      level = { names: nameIsNext ? new Set() : undefined, heldBy: level?.latest, latest: undefined }
      at += 1
    } else if (unit === 0x7d /* } */ || unit === 0x5d /* ] */) {
      level = outer.pop()
      nameIsNext = false
      at += 1
    } else if (unit === 0x2c /* , */) {
      nameIsNext = level?.names !== undefined
      at += 1
    } else if (unit === 0x2d /* - */ || isDigit(unit)) {
      at = endOfNumber(text, at)
    } else {
      at += 1
    }
  }
}

function addName(level: Level, name: string): void {
  if (name === '__proto__' || (name === 'prototype' && level.heldBy === 'constructor')) {
    throw new BodyError(400, `The JSON body uses the name ${quoted(name)}, which is not allowed.`)
  }
  if (level.names?.has(name)) throw new BodyError(400, `The JSON body names ${quoted(name)} twice.`)
  level.names?.add(name)
  level.latest = name
}

function nameBetween(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end - 1)
  return raw.includes('\\') ? String(parse(`"${raw}"`)) : raw
}

/** The index after the closing quote, or the end of the text where there is none. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    const unit = text.charCodeAt(at)
    if (unit === 0x22 /* " */) return at + 1
    if (unit === 0x5c /* \ */) at += escapeLength(text, at) - 1
  }
  return text.length
}

// Bytes that are valid UTF-8 hold no surrogates and JSON forbids a raw NUL in a string: both can come only as
// an escape.
function escapeLength(text: string, at: number): number {
  if (text.charCodeAt(at + 1) !== 0x75 /* u */) return 2
  const unit = escapedUnit(text, at)
  if (unit === 0) throw new BodyError(400, 'The JSON body holds a NUL character (\\u0000); remove it.')
  if (!isSurrogate(unit)) return 6
  if (isLowSurrogate(unit) || !isLowSurrogate(escapedUnit(text, at + 6))) {
    throw new BodyError(
      400,
      'The JSON body holds half a surrogate pair (\\ud800 to \\udfff); send whole characters.',
    )
  }
  return 12
}

/** The code unit that `\uXXXX` at this index stands for, or -1 where no such escape stands there. */
function escapedUnit(text: string, at: number): number {
  const digits = /^\\u([\da-f]{4})$/i.exec(text.slice(at, at + 6))?.[1]
  return digits === undefined ? -1 : Number.parseInt(digits, 16)
}

function endOfNumber(text: string, start: number): number {
  let end = start + 1
  while (end < text.length && isPartOfNumber(text.charCodeAt(end))) end += 1
  if (Math.abs(Number(text.slice(start, end))) === Number.POSITIVE_INFINITY) {
    throw new BodyError(
      400,
      'The JSON body holds a number too large to keep; send a smaller one or a string.',
    )
  }
  return end
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The engine's own message quotes the text, passwords and all.
    throw new BodyError(400, 'The body is not valid JSON.')
  }
}

function tooDeep(): BodyError {
  return new BodyError(400, `The JSON body is nested deeper than ${maxDepth} levels.`)
}

function withoutMark(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39
}

function isPartOfNumber(unit: number): boolean {
  return isDigit(unit) || unit === 0x2e || unit === 0x65 || unit === 0x45 || unit === 0x2b || unit === 0x2d
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff
}
