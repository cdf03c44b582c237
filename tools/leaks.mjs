// Looks through what the services under test have logged for what no log may hold. The test helpers keep both below the
// directory of the run: `<name>.log` with the lines, `<name>.secrets` with what the tests made up or were handed.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Of this run: tools/test.mjs gives each one a temporary directory of its own. */
export const runLog = () => join(tmpdir(), 'run-log')

/** What is a secret by its very form, whoever made it. */
const SHAPES = Object.entries({
  'a JWT': /eyJ[\w-]{8,}\.[\w-]*/g,
  'a refresh token': /ktr_[\w-]{16,}/g,
  'a password hash': /\$2[abxy]\$\d\d\$|pbkdf2_sha\d+\$|argon2(?:i|d|id)?\$|scrypt\$|bcrypt(?:_sha256)?\$/g,
  'a mail address': /[\w.+%-]+@[\w-]+(?:\.[\w-]+)+/g,
  'an IP address': /\b(?!127\.0\.0\.1\b)\d{1,3}(?:\.\d{1,3}){3}\b|\b2001:db8:[\da-f:]+/gi,
  'a key': /-----BEGIN|"(?:d|k)":"[\w-]{20,}"/g,
})
/** So many characters of a secret are looked up at once. */
const HEAD = 8

/**
 * @typedef {{ file: string, what: string, line: string }} Leak a line of a log, and what it may not hold, masked
 * @param {Iterable<{ file: string, line: string }>} lines
 * @param {Iterable<string>} secrets each of 8 characters or more
 * @returns {Leak[]}
 */
export function leaksIn(lines, secrets) {
  /** @type {Map<string, string[]>} */
  const byHead = new Map()
  for (const secret of secrets) {
    const head = secret.slice(0, HEAD)
    const known = byHead.get(head)
    if (known === undefined) byHead.set(head, [secret])
    else known.push(secret)
  }
  /** @type {Leak[]} */
  const leaks = []
  for (const { file, line } of lines) {
    for (const text of readings(line)) {
      const found = [...shapesIn(text), ...secretsIn(text, byHead)]
      const [first] = found
      if (first === undefined) continue
      leaks.push({ file, what: first.what, line: masked(text, found) })
      break
    }
  }
  return leaks
}

/** The line as it is, as JSON means it, and as a URL does. @param {string} line */
function readings(line) {
  const texts = [line]
  if (line.includes('\\')) texts.push(unescaped(line))
  if (line.includes('%')) texts.push(line.replace(/(?:%[\da-f]{2})+/gi, decoded))
  return texts
}

/** @param {string} line */
function unescaped(line) {
  try {
    /** @type {string[]} */
    const texts = []
    JSON.parse(line, (_name, value) => void (typeof value === 'string' && texts.push(value)))
    return texts.join('\n')
  } catch {
    return ''
  }
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** @param {string} text */
function* shapesIn(text) {
  for (const [what, shape] of SHAPES) for (const [secret] of text.matchAll(shape)) yield { what, secret }
}

/** @param {string} text @param {ReadonlyMap<string, readonly string[]>} byHead */
function* secretsIn(text, byHead) {
  for (let at = 0; at + HEAD <= text.length; at += 1) {
    const secret = byHead.get(text.slice(at, at + HEAD))?.find((each) => text.startsWith(each, at))
    if (secret !== undefined) yield { what: 'what a test made up or was handed', secret }
  }
}

/** @param {string} text @param {readonly { secret: string }[]} found */
function masked(text, found) {
  const longestFirst = found.toSorted((a, b) => b.secret.length - a.secret.length)
  const hide = (/** @type {string} */ rest, /** @type {string} */ secret) =>
    rest.replaceAll(secret, `[${secret.length} characters]`)
  return longestFirst.reduce((rest, { secret }) => hide(rest, secret), text).replaceAll('\n', ' ')
}

/** What all services of this run have logged; `undefined` where none did. */
export function lookThroughRun() {
  const directory = runLog()
  if (!existsSync(directory)) return undefined
  const names = readdirSync(directory)
  /** @param {string} ending */
  const read = (ending) =>
    names
      .filter((name) => name.endsWith(ending))
      .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
      // The last line of a process that was killed may be half a line.
      .filter((line) => line.endsWith('}') || line.endsWith('"'))
  const lines = read('.log').map((line) => JSON.parse(line))
  const secrets = new Set(read('.secrets').map((line) => JSON.parse(line)))
  return { lines: lines.length, secrets: secrets.size, leaks: leaksIn(lines, secrets) }
}
