/**
 * Asks again until there is something, and gives what that is. Asks at once and often at first, then less.
 * @throws Error that says what never came, for a wait that takes this long has no end
 */
export async function until<T>(
  what: string,
  ask: () => T | false | undefined | Promise<T | false | undefined>,
  seconds = 30,
): Promise<T> {
  const end = performance.now() + seconds * 1000
  for (let pauseMs = 0; ; pauseMs = Math.min(20, pauseMs + 1)) {
    const found = await ask()
    if (found !== false && found !== undefined) return found
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}
