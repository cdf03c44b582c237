// Loaded into the service under test before its first line; the service itself knows nothing of it.
import pg from 'pg'
import { answerQuestions } from './answer-questions.js'

/** @type {Map<string, number>} */
const statements = new Map()
const { query } = pg.Client.prototype
Object.assign(pg.Client.prototype, {
  /**
   * @this {pg.Client}
   * @param {[string | { name?: string, text: string }, ...unknown[]]} args
   */
  query(...args) {
    const [statement] = args
    const name = typeof statement === 'string' ? statement : (statement.name ?? statement.text)
    statements.set(name, (statements.get(name) ?? 0) + 1)
    return Reflect.apply(query, this, args)
  },
})

answerQuestions({
  /** Statements sent to Postgres so far, by name. */
  statements: () => Object.fromEntries(statements),
})
// The channel must not keep a service alive that wants to end.
process.channel?.unref()
