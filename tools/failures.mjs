/** So many lines of what tap tells of one failure are said again: the message, the difference, where it is. */
const LINES_EACH = 40
/** So many failures: where more fail, the first ones tell why. */
const FAILURES_MAX = 20

/**
 * Hears the lines of a TAP stream and keeps what failed, with the file and the subtests that it stands in: among
 * 17,000 lines nobody finds the one, and a CI shows but the last of them.
 */
export function createFailures() {
  /** @type {string[][]} */
  const failures = []
  /** By how far they are indented. @type {Map<number, string>} */
  const subtests = new Map()
  let file = ''
  let rest = ''
  /** @type {string[] | undefined} */
  let heard

  /** @param {string} line */
  function hear(line) {
    const indent = line.length - line.trimStart().length
    const text = line.trim()
    if (text.startsWith('# test/')) file = text.slice(2)
    if (text.startsWith('# Subtest: ')) subtests.set(indent, text.slice('# Subtest: '.length))
    if (text.startsWith('not ok ') && !/# (?:todo|skip)\b/i.test(text)) {
      const within = [...subtests].filter(([at]) => at < indent).sort(([one], [other]) => one - other)
      heard = [[file, ...within.map(([, title]) => title)].join(' > '), text]
      failures.push(heard)
    } else if (/^(?:ok |1\.\.)\d/.test(text) || text.startsWith('# Subtest: ') || text === '...') {
      heard = undefined
    } else if (heard !== undefined && heard.length < LINES_EACH && text !== '') {
      heard.push(line.slice(0, 300))
    }
  }

  return {
    /** @param {string} text */
    take(text) {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) hear(line)
    },
    /** Each failure again, as comments; nothing where nothing failed. */
    report() {
      if (failures.length === 0) return ''
      const lines = failures.slice(0, FAILURES_MAX).flatMap((said) => ['', ...said])
      const more = failures.length - FAILURES_MAX
      if (more > 0) lines.push('', `and ${more} more`)
      return ['# What failed:', ...lines.map((line) => `# ${line}`.trimEnd()), ''].join('\n')
    },
  }
}
