import type { Fault } from './faults.ts'
import type { Environment } from './texts.ts'
import { given } from './texts.ts'

/**
 * A fault for every variable whose name is almost one of ours: such a setting would be silently without
 * effect. Names of fewer than 8 letters (HOST, PORT) have too many neighbours that belong to others and are
 * not guarded.
 */
export function nearMisses(env: Environment, names: readonly string[]): Fault[] {
  const ours = new Set(names.flatMap((name) => [name, `${name}_FILE`]))
  const guarded = [...ours].filter((name) => name.replace('_FILE', '').length >= 8)
  return Object.keys(env).flatMap((name) => {
    if (ours.has(name) || given(env, name) === undefined || !/^[A-Z][A-Z\d_]{4,63}$/.test(name)) return []
    // PROFILE_SCHEMA holds no schema: some settings have a name of their own that ends in _FILE.
    const meant = ours.has(`${name}_FILE`) ? `${name}_FILE` : nearest(name, guarded)
    if (meant === undefined) return []
    const remedy = `did you mean ${meant}? Rename it, or unset it here if it belongs to another program`
    return [{ setting: name, problem: 'is no setting of Keyturn', expected: meant, remedy }]
  })
}

function nearest(name: string, candidates: readonly string[]): string | undefined {
  const near = candidates.filter((candidate) => isNear(name, candidate))
  return near.sort((a, b) => distance(name, a) - distance(name, b))[0]
}

function isNear(name: string, ours: string): boolean {
  if (name.replaceAll('_', '') === ours.replaceAll('_', '')) return true
  // Two slips at most: told by the lengths nearly always, and a start compares thousands of pairs.
  if (Math.abs(name.length - ours.length) > 2) return false
  const [words, meant] = [name.split('_'), ours.split('_')]
  if (words.length !== meant.length) return distance(name, ours) === 1
  const slips = meant.map((word, index) => distance(word, words[index] ?? ''))
  // Two slips in a short word make another word: SITE_URL is not SMTP_URL, SIGNUP_URL is not SIGNUP_TTL.
  const sameWords = meant.every((word, index) => (slips[index] ?? 0) <= (word.length > 4 ? 2 : 1))
  return sameWords && slips.reduce((sum, each) => sum + each, 0) <= 2
}

/**
 * Damerau-Levenshtein distance in its restricted form (optimal string alignment): a swap of neighbours counts
 * once.
 */
function distance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      current[column] = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
        swapped ? (beforeLast[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      )
    }
    beforeLast = last
    last = current
  }
  return last[b.length] ?? 0
}
