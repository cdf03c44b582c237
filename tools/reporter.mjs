import { Transform } from 'node:stream'
import { createFailures } from './failures.mjs'
import { lookThroughRun } from './leaks.mjs'

/** tap's raw output, closed by what failed and one plain line that a person and a CI can both read. */
export default class ClosingLine extends Transform {
  #tail = ''
  #failures = createFailures()

  constructor() {
    super({ decodeStrings: false })
  }

  _transform(chunk, _encoding, done) {
    const text = String(chunk)
    this.#tail = (this.#tail + text).slice(-600)
    this.#failures.take(text)
    done(null, text)
  }

  _flush(done) {
    const totals = /# \{ total: .*\}/.exec(this.#tail)?.[0] ?? ''
    const count = (key) => Number(new RegExp(`\\b${key}: (\\d+)`).exec(totals)?.[1] ?? 0)
    const { report, passed, failed } = judgeLogs()
    if (failed > 0) process.once('exit', () => (process.exitCode = 1))
    const closing = `${count('pass') + passed} passed, ${count('fail') + failed} failed, ${count('skip') + count('todo')} skipped`
    done(null, `${this.#failures.report()}${report}${closing}\n`)
  }
}

/** The last test of a run is about all of them: nothing secret stands in any log. */
function judgeLogs() {
  const found = lookThroughRun()
  if (found === undefined) return { report: '', passed: 0, failed: 0 }
  const { lines, secrets, leaks } = found
  const what = `no secret stands in a log (${lines} kinds of lines, ${secrets} secrets)`
  if (leaks.length === 0) return { report: `# ok - ${what}\n`, passed: 1, failed: 0 }
  const told = leaks.map(({ file, what, line }) => `#   ${file} logs ${what}: ${line}\n`)
  return { report: `# not ok - ${what}\n${told.join('')}`, passed: 0, failed: leaks.length }
}
