import type { Rotation, SessionView } from '../core/ports.ts'
import { coalesce } from './coalesce.ts'
import type { Database } from './database.ts'
import type { SessionRow } from './rows.ts'
import { ACCOUNT_COLUMNS, SESSION_COLUMNS, toSessionView } from './rows.ts'

/** Measured: beyond this a larger batch no longer brings more rotations a second. */
const BATCH_MAX = 128
const DEADLOCK_DETECTED = '40P01'

/**
 * The rotation, for any number of sessions at once. Rows are locked in the order of their ids, so that two
 * replicas cannot deadlock; a row that is locked already is left out and has to go alone. A row that is not at
 * the generation asked for, dead, or of a disabled user is simply not among the answers.
 */
const rotateStatement = (onLocked: 'SKIP LOCKED' | '') => `
  WITH asked AS (
    SELECT * FROM unnest($1::uuid[], $2::integer[], $3::bytea[], $4::bytea[], $5::bytea[])
      WITH ORDINALITY AS asked (id, generation, digest, reused_digest, previous_digests, ordinal)
  ), free AS (
    SELECT asked.*, s.user_id
    FROM asked
    JOIN sessions s ON s.id = asked.id
    JOIN users u ON u.id = s.user_id
    WHERE s.generation = asked.generation AND s.rotates AND s.revoked_at IS NULL AND u.disabled_at IS NULL
      AND s.expires_at > now() AND s.rotated_at > now() - make_interval(secs => $6::integer)
    ORDER BY s.id
    FOR UPDATE OF s ${onLocked}
  )
  UPDATE sessions s
  SET generation = s.generation + 1,
      rotated_at = now(),
      late_replays = CASE WHEN s.late_generation = s.generation THEN s.late_replays ELSE 0 END,
      retry_key = CASE WHEN position(s.retry_key IN free.previous_digests) > 0
                       THEN free.reused_digest ELSE free.digest END
  FROM free JOIN users u ON u.id = free.user_id
  WHERE s.id = free.id
  RETURNING free.ordinal, ${SESSION_COLUMNS}, ${ACCOUNT_COLUMNS}`

/** Exported for the bench, whose yardstick is this one statement on its own. */
export const ROTATE = rotateStatement('SKIP LOCKED')
const ROTATE_ALONE = rotateStatement('')

export interface Rotator {
  /** By the shared statement; `undefined` where it did nothing, be it for a lost race or a locked row. */
  rotate(rotation: Rotation): Promise<SessionView | undefined>
  /** By a statement of its own that waits for the row. */
  rotateAlone(rotation: Rotation): Promise<SessionView | undefined>
}

interface Attempt {
  /** For a row that is locked, instead of passing it over. */
  readonly waits: boolean
  readonly outcome: Promise<SessionView | undefined>
}

/** Rotates sessions; those that arrive together share a statement and its commit. */
export function createRotator({ pool, onBatch }: Database, idleTtlSeconds: number): Rotator {
  async function run(statement: { name: string; text: string }, rotations: readonly Rotation[]) {
    const values = rotationValues(rotations, idleTtlSeconds)
    const { rows } = await retryDeadlock(() =>
      pool.query<SessionRow & { ordinal: string }>({ ...statement, values }),
    )
    const answers: (SessionView | undefined)[] = rotations.map(() => undefined)
    for (const row of rows) answers[Number(row.ordinal) - 1] = toSessionView(row)
    return answers
  }

  const shared = coalesce(
    (rotations: readonly Rotation[]) => run({ name: 'rotate', text: ROTATE }, rotations),
    BATCH_MAX,
    (size) => onBatch('rotate', size),
  )
  const underWay = new Map<string, Attempt>()

  /**
   * The first request of a session decides for those that come while it is under way: they have lost the race, and
   * are judged from the row it leaves. So a storm on one session never takes more than two connections: one that
   * waits for the row, and one that passed it over just before.
   */
  async function oneAtATime(
    rotation: Rotation,
    waits: boolean,
    attempt: (rotation: Rotation) => Promise<SessionView | undefined>,
  ): Promise<SessionView | undefined> {
    const { sessionId } = rotation
    const earlier = underWay.get(sessionId)
    // Whoever is to wait for the row learns nothing from one that passes it over: a stream of those would put him
    // off until his rounds are used up.
    if (earlier !== undefined && (earlier.waits || !waits)) {
      await earlier.outcome
      return undefined
    }
    const own: Attempt = { waits, outcome: attempt(rotation) }
    underWay.set(sessionId, own)
    try {
      return await own.outcome
    } finally {
      if (underWay.get(sessionId) === own) underWay.delete(sessionId)
    }
  }

  return {
    rotate: (rotation) => oneAtATime(rotation, false, shared),
    rotateAlone: (rotation) =>
      oneAtATime(rotation, true, async () => {
        const [view] = await run({ name: 'rotate_alone', text: ROTATE_ALONE }, [rotation])
        return view
      }),
  }
}

/** The parameters of the statement. */
export function rotationValues(rotations: readonly Rotation[], idleTtlSeconds: number): unknown[] {
  return [
    rotations.map(({ sessionId }) => sessionId),
    rotations.map(({ generation }) => generation),
    rotations.map(({ key }) => key?.digest),
    rotations.map(({ key }) => key?.reusedDigest),
    rotations.map(({ key }) => key && Buffer.concat(key.previousDigests)),
    idleTtlSeconds,
  ]
}

/** The order of the locks makes a deadlock impossible among rotations; other statements are not ours to order. */
async function retryDeadlock<T>(attempt: () => Promise<T>): Promise<T> {
  try {
    return await attempt()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === DEADLOCK_DETECTED) return attempt()
    throw error
  }
}
