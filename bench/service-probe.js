// Loaded into the service under test before its first line; the service itself knows nothing of it.
import pg from 'pg'
import { answerQuestions } from './answer-questions.js'

/** @type {Map<string, number>} */
const statements = new Map()
const query = pg.Client.prototype.query
/** @param {any[]} args */
pg.Client.prototype.query = function (...args) {
  const name = args[0]?.name ?? String(args[0]?.text ?? args[0])
  statements.set(name, (statements.get(name) ?? 0) + 1)
  // @ts-expect-error passed on as it came
  return query.apply(this, args)
}

answerQuestions({
  /** Statements sent to Postgres so far, by name. */
  statements: () => Object.fromEntries(statements),
})
// The channel must not keep a service alive that wants to end.
process.channel?.unref()
