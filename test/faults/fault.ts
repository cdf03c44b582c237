import type { World } from './world.ts'

/** Something that goes wrong around the service, and what the service must reach all the same. */
export interface Fault {
  /** As it stands in the table, and what `--only` looks for. */
  readonly name: string
  /** Why it cannot happen here, where that is so. */
  readonly isImpossible?: (world: World) => Promise<string | undefined>
  /** Whatever is to be there before anybody uses the service. */
  readonly prepare?: (world: World) => Promise<void>
  /** Happens while clients use the service; resolves when its surroundings are whole again. */
  readonly happen: (world: World) => Promise<void>
  /** Looks at what only this fault can break, when nobody uses the service any more; each line is a complaint. */
  readonly check?: (world: World) => Promise<readonly string[]>
  /** Puts back what the other faults do not expect. */
  readonly after?: (world: World) => Promise<void>
  /** Nobody uses the service but the fault itself. */
  readonly isAlone?: true
  /** Nobody signs in or up meanwhile: the queue of hashes refuses where a machine is busy, whatever else goes wrong. */
  readonly isWithoutHashes?: true
  readonly promise: Promised
}

/** What is not named here holds for every fault: nothing lost, no 5xx but 503 with Retry-After, no process ended, no connection leaked. */
export interface Promised {
  /** The slowest answer, milliseconds. */
  readonly answerWithinMs: number
  /** Once its surroundings are whole, nobody is refused any more after so long; milliseconds. */
  readonly recoverWithinMs: number
  /** Nobody is refused, and nobody is left without an answer. */
  readonly refusesNobody?: true
  /** Requests may be left without an answer: whoever had them has died. */
  readonly mayLeaveUnanswered?: true
  /** Acknowledged writes may be lost: printed, and no figure to reach. */
  readonly mayLoseWrites?: true
}

/** One row of the table. */
export interface Row {
  readonly fault: string
  readonly requests: number
  readonly lostWrites: number
  readonly lostSessions: number
  /** Answered 503. */
  readonly refused: number
  readonly unanswered: number
  readonly otherErrors: number
  readonly slowestMs: number
  readonly slowestCheckMs: number
  readonly recoveryMs: number
  /** Figures that were missed. */
  readonly complaints: readonly string[]
}
