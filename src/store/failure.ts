import { DrizzleQueryError } from 'drizzle-orm/errors'
import { AuthError } from '../core/errors.ts'

/**
 * A defect below: Postgres refused a statement that should have been good. It carries the SQLSTATE and the name
 * of the constraint; never the statement, its parameters or Postgres' `detail`, which quote what users sent.
 */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly sqlState: string | undefined

  constructor(sqlState: string | undefined, constraint: string | undefined) {
    super(
      `Postgres refused a statement (SQLSTATE ${sqlState ?? 'unknown'}${constraint ? `, ${constraint}` : ''})`,
    )
    this.sqlState = sqlState
  }
}

/** SQLSTATEs and socket errors that pass by themselves: the caller may try again, and the commit may have happened. */
const PASSING_STATES = /^(?:08|53|57P|57014|55P03|40001|40P01|25006|25P0[34]|58)/
const PASSING_SOCKET_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
  'ETIMEDOUT',
])
const PASSING_MESSAGES =
  /timeout|Connection terminated|not queryable|Cannot use a pool after|Connection ended/i

/** What a failed call of the store means to the core: `unavailable` where trying again helps, else a StoreError. */
export function asStoreFailure(error: unknown): Error {
  if (error instanceof AuthError || error instanceof StoreError) return error
  const cause = error instanceof DrizzleQueryError ? error.cause : error
  if (!(cause instanceof Error)) return new StoreError(undefined, undefined)
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
  if (isPassing(code, cause.message))
    return new AuthError('unavailable', { retryAfterSeconds: 1, cause: code })
  if (code === undefined) return cause
  return new StoreError(code, constraintOf(error))
}

/** The constraint a failed statement ran into, for the verbs that expect to. */
export function constraintOf(error: unknown): string | undefined {
  const cause = error instanceof DrizzleQueryError ? error.cause : error
  return cause instanceof Error && 'constraint' in cause && typeof cause.constraint === 'string'
    ? cause.constraint
    : undefined
}

/** The same object, every method of which rejects with what `asStoreFailure` makes of its error. */
export function withStoreFailures<T extends object>(store: T): T {
  const wrapped = Object.entries(store).map(([name, member]: [string, unknown]) => [
    name,
    typeof member !== 'function'
      ? member
      : async (...args: unknown[]) => {
          try {
            return await member.apply(store, args)
          } catch (error) {
            throw asStoreFailure(error)
          }
        },
  ])
  return Object.fromEntries(wrapped) as T
}

function isPassing(code: string | undefined, message: string): boolean {
  if (code !== undefined) return PASSING_STATES.test(code) || PASSING_SOCKET_CODES.has(code)
  return PASSING_MESSAGES.test(message)
}
