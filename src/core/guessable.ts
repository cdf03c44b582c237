/**
 * What everybody's password list begins with, and what no list can hold in full: repetitions, runs and dates. They
 * are missing from the list that Keyturn reads, for its makers find them by rules too.
 */

/** Alphabet, digits and the rows of a keyboard (two that are common), to be run along either way. */
const ROWS = [
  'abcdefghijklmnopqrstuvwxyz',
  '01234567890',
  '1234567890-=',
  'qwertyuiop[]',
  "asdfghjkl;'",
  'zxcvbnm,./',
  'qwertzuiop',
  'yxcvbnm,.-',
].flatMap((row) => [row, [...row].reverse().join('')])

const DAY = '(?:0?[1-9]|[12][0-9]|3[01])'
const MONTH = '(?:0?[1-9]|1[0-2])'
const YEAR = '(?:19|20)[0-9]{2}'
const DATE = new RegExp(
  [
    [DAY, MONTH, YEAR],
    [MONTH, DAY, YEAR],
    [YEAR, MONTH, DAY],
  ]
    .map((parts) => `^${parts.join('[-./ ]?')}$`)
    .join('|'),
)

/** What makes a password easy to guess although no list has it; `undefined` when nothing does. Lower case is expected. */
export function guessablePattern(folded: string): 'repetition' | 'run' | 'date' | undefined {
  if (isRepetition(folded)) return 'repetition'
  if (ROWS.some((row) => row.includes(folded))) return 'run'
  return DATE.test(folded) ? 'date' : undefined
}

/** The same few characters again and again, the last time perhaps not whole: `aaaaaaaa`, `12341234`, `abcabcab`. */
function isRepetition(text: string): boolean {
  for (let period = 1; period <= text.length / 2; period += 1) {
    if (text.startsWith(text.slice(period))) return true
  }
  return false
}
