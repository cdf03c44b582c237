import { Transform } from 'node:stream'

/** tap's raw output, closed by one plain line that a person and a CI can both read. */
export default class ClosingLine extends Transform {
  #tail = ''

  constructor() {
    super({ decodeStrings: false })
  }

  _transform(chunk, _encoding, done) {
    const text = String(chunk)
    this.#tail = (this.#tail + text).slice(-600)
    done(null, text)
  }

  _flush(done) {
    const totals = /# \{ total: .*\}/.exec(this.#tail)?.[0] ?? ''
    const count = (key) => Number(new RegExp(`\\b${key}: (\\d+)`).exec(totals)?.[1] ?? 0)
    done(null, `${count('pass')} passed, ${count('fail')} failed, ${count('skip') + count('todo')} skipped\n`)
  }
}
