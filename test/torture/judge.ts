import { POLICY } from './realm.ts'
import type { Fall, Witness } from './witness.ts'

/** Why an honest client had to sign in again although nobody had ended its session. */
export type FalseLogout =
  | 'its fifth lost answer running'
  | 'late, its successor already seen'
  | 'late by two generations or more'
  | 'overtaken by more than eight generations within the grace'
  | 'late, in strict mode'
  | 'past the idle life of a row that lost its last rotation'
  | 'unexplained'

/** The first false logout of a schedule that has no thief in it. */
export function falseLogoutOf(witness: Witness, isStrict: boolean): FalseLogout | undefined {
  const [fall] = witness.falls
  if (fall === undefined) return undefined
  if (fall.code === 'session_revoked' && witness.loggedOut) return undefined
  if (fall.code === 'refresh_expired')
    return isOver(fall, witness) ? undefined : 'past the idle life of a row that lost its last rotation'
  if (fall.code !== 'refresh_replayed') return 'unexplained'
  return isStrict ? 'late, in strict mode' : causeOf(fall)
}

function causeOf({ met: { generation: c }, row, at }: Fall): FalseLogout {
  const isInGrace = at <= row.rotatedAt + POLICY.refreshGraceSeconds * 1000
  if (isInGrace) {
    const isFarBehind = c < row.generation - 8
    return isFarBehind ? 'overtaken by more than eight generations within the grace' : 'unexplained'
  }
  if (c < row.generation - 1) return 'late by two generations or more'
  if (row.seenGeneration >= row.generation) return 'late, its successor already seen'
  return row.lateReplays >= 4 ? 'its fifth lost answer running' : 'unexplained'
}

/** Whether the session was over by its lives, counted from what really happened. */
function isOver({ row, at }: Fall, witness: Witness): boolean {
  const slack = 5000 * (1 + witness.failOvers)
  return at >= row.expiresAt || at + slack >= witness.lastRotation + POLICY.refreshIdleTtlSeconds * 1000
}

/** How a theft ended. `held on` is what must not be. */
export type Ending =
  | 'caught'
  | 'no double use outside the grace'
  | 'client or thief gone before five generations'
  | 'five generations on, alone: the client never came back'
  | 'held on by meeting inside the grace or by lost commits'
  | 'held on'

/** Five generations after a double use outside the grace a thief must hold nothing. */
const GENERATIONS_MAX = 5

/** How far a thief got. */
export function endingOf(witness: Witness): Ending {
  const { doubleUse } = witness
  if (doubleUse !== undefined && doubleUse.longest >= GENERATIONS_MAX) return 'held on'
  if (doubleUse !== undefined && doubleUse.reached >= doubleUse.first + GENERATIONS_MAX) {
    return 'held on by meeting inside the grace or by lost commits'
  }
  if (witness.falls.some(({ code }) => code === 'refresh_replayed')) return 'caught'
  if (doubleUse === undefined) return 'no double use outside the grace'
  return witness.furthest.thief >= doubleUse.first + GENERATIONS_MAX
    ? 'five generations on, alone: the client never came back'
    : 'client or thief gone before five generations'
}
