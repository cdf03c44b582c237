// Plain JavaScript, so that the service under test can load it without a loader.

/**
 * The child's end of `child.ts`: answers questions by their name, and ends with the parent.
 *
 * @param {Record<string, (question: never) => unknown>} answers
 */
export function answerQuestions(answers) {
  const usage = () => ({ cpuMicros: cpuMicros(), rssBytes: process.memoryUsage.rss() })
  /** @type {Map<string, (question: never) => unknown>} */
  const all = new Map(Object.entries({ usage, ...answers }))
  process.on('message', async (/** @type {{ id: number, question: { ask: string } }} */ { id, question }) => {
    try {
      const answer = all.get(question.ask)
      if (answer === undefined) throw new Error(`nobody here can answer "${question.ask}"`)
      // Question and answer are written by one hand; no type crosses a process.
      process.send?.({ id, answer: await answer(/** @type {never} */ (question)) })
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? error.stack : String(error) })
    }
  })
  process.on('disconnect', () => process.exit())
}

function cpuMicros() {
  const { user, system } = process.cpuUsage()
  return user + system
}
