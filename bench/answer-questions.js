// Plain JavaScript, so that the service under test can load it without a loader.

/**
 * The child's end of `child.ts`: answers questions by their name, and ends with the parent.
 *
 * @param {Record<string, (question: any) => unknown>} answers
 */
export function answerQuestions(answers) {
  const all = {
    usage: () => ({ cpuMicros: cpuMicros(), rssBytes: process.memoryUsage.rss() }),
    ...answers,
  }
  process.on('message', async (/** @type {{ id: number, question: { ask: keyof typeof all } }} */ message) => {
    const { id, question } = message
    try {
      process.send?.({ id, answer: await all[question.ask](question) })
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
