/**
 * Which writing systems may stand together in one name: UTS #39, "Highly Restrictive". One script by itself, or Latin
 * beside those with which Japanese, Korean and Chinese are written. The scripts are those that UAX #31 recommends for
 * identifiers; of the others (Cherokee, Lisu, Coptic, …) too many letters are drawn like Latin ones.
 */
const RECOMMENDED =
  'Arabic Armenian Bengali Bopomofo Cyrillic Devanagari Ethiopic Georgian Greek Gujarati Gurmukhi Han Hangul Hebrew ' +
  'Hiragana Kannada Katakana Khmer Lao Latin Malayalam Myanmar Oriya Sinhala Tamil Telugu Thaana Thai Tibetan'

const TOGETHER = ['Latin Han Hiragana Katakana', 'Latin Han Bopomofo', 'Latin Han Hangul']

const SYSTEMS = [...RECOMMENDED.split(' '), ...TOGETHER].map((scripts) => {
  const classes = [...scripts.split(' '), 'Common', 'Inherited'].map((script) => `\\p{scx=${script}}`)
  return new RegExp(`^[${classes.join('')}]*$`, 'u')
})

/** Whether all of the name can be of one writing system, once compatibility forms are resolved. */
export function isOneWritingSystem(name: string): boolean {
  const resolved = name.normalize('NFKC')
  return SYSTEMS.some((system) => system.test(resolved))
}

/** Whether marks are heaped up: more than four on one letter, or the same one twice (UTS #39, 5.4). */
export function hasHeapedMarks(name: string): boolean {
  return /\p{M}{5}|(\p{M})\1/u.test(name.normalize('NFD'))
}

/** Whether there is a character in it that shows nothing, turns the direction of what follows, or ends the line. */
export function hasInvisible(name: string): boolean {
  return /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u.test(name)
}
