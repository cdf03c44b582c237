/** Characters at the end of a name that tell it from others; of a signature each has six bits of chance. */
const TOLD_BY = 8

/**
 * Tells whether a name has come before, with one number for each instead of the name: of about `slots` names the
 * last ones are known again, one of 2^32 is taken for another. What is kept only for those who come again costs
 * nothing for the many who never do, and their memory does not have to be collected.
 * @param slots a power of two
 */
export function createDoorkeeper(slots: number): (name: string) => boolean {
  const known = new Int32Array(slots)
  return (name) => {
    let mark = 0
    for (let at = Math.max(0, name.length - TOLD_BY); at < name.length; at += 1)
      mark = Math.imul(mark, 31) ^ name.charCodeAt(at)
    const slot = mark & (slots - 1)
    if (known[slot] === mark) return true
    known[slot] = mark
    return false
  }
}
