import { sql } from 'drizzle-orm'
import type { Bearer } from '../core/ports.ts'

/**
 * Whether the session of an access token is there, belongs to this user and has not been ended; a condition, both of
 * whose parts are expressions. The number of a user alone is no proof: a database that lost commits gives it again.
 */
export const isOwnSession = (user: string, session: string) => `EXISTS (
  SELECT FROM sessions own WHERE own.id = ${session} AND own.user_id = ${user} AND own.revoked_at IS NULL)`

/** The same for a statement that Drizzle puts together. */
export const isOwnSessionOf = ({ userId, sessionId }: Bearer) => sql`EXISTS (
  SELECT FROM sessions own WHERE own.id = ${sessionId} AND own.user_id = ${userId} AND own.revoked_at IS NULL)`
