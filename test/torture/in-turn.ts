/** Does work at once as far as there is room, and otherwise when it is its turn. */
export type InTurn = <T>(work: () => Promise<T>) => Promise<T>

/** Room for so many at a time. */
export function inTurns(most: number): InTurn {
  const waiting: (() => void)[] = []
  let busy = 0
  return async (work) => {
    if (busy >= most) await new Promise<void>((resolve) => waiting.push(resolve))
    else busy += 1
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) busy -= 1
      else next()
    }
  }
}
