import type { Answer, Ask, Party, Tokens } from './server.ts'

/** A granted or refused answer of which the client read no more than its status, because its connection was cut. */
export interface Unread {
  readonly kind: 'unread'
  readonly isGranted: boolean
}

/** The promises that decide whether an end was lawful, in seconds. */
export interface Lives {
  /** How long a token that has been exchanged may be exchanged again. 0 where the server knows no grace. */
  readonly graceSeconds: number
  /** A session that was not refreshed for so long may end. */
  readonly idleTtlSeconds: number
  /** So long after its sign-in a session may end in any case. */
  readonly ttlSeconds: number
}

/**
 * A server that can be tortured; docs/torture.md tells how to write one. A module that is named by `--adapter`
 * exports `openAdapter`.
 */
export interface Adapter {
  readonly name: string
  /** What its requests go over, as the table is to say it. */
  readonly transport: string
  readonly lives: Lives
  /** Schedules that may run at one time: 1 where all sessions of the server share one clock. */
  readonly concurrency: number
  /** Between how many replicas the requests of a session may change. */
  readonly replicas: number
  /** A subject for one schedule, with nobody signed in yet. */
  open(stage: Stage): Promise<Subject>
  /** Ends everything that it started. */
  close(): Promise<void>
}

/** Replays that a server has recorded: inside the grace by whose request it took for one, and late ones, of both. */
export type RecordedReplays = Readonly<Record<Party | 'late', number>>

/** What an adapter may want to know of the schedule before it begins. */
export interface Stage {
  /** From 1 up to `Adapter.replicas`. */
  readonly replicas: number
  /** Whether `failOver` may be called. */
  readonly mayFailOver: boolean
}

/**
 * One session of the server. `at` is the moment of a call, in milliseconds since 1970: whatever clocks the server
 * judges this session by have to stand there when it does. They never go back, and no call of another moment is
 * under way; calls of the same moment may be under way together, and are meant to race.
 */
export interface Subject {
  /** @throws Error where it fails: a session that does not begin is no finding but a defect */
  signIn(at: number): Promise<Tokens>
  /** Never throws for what the server or the network did: that is `failed`. */
  refresh(ask: Ask, at: number): Promise<Answer | Unread>
  /** Shows the access token; whether it was obeyed. */
  checkStatus(replica: number, access: string, at: number): Promise<boolean>
  logOut(replica: number, refresh: string, at: number): Promise<void>
  /**
   * Kills the process of the replica, without warning, and starts it again. `sendAll` sends whatever is on its
   * way at that moment, so that it is cut in the middle.
   */
  restart?(replica: number, sendAll: () => void): Promise<void>
  /** The database loses what this session committed since that moment, at most so many commits, never the first. */
  failOver?(at: number, since: number, commits: number): Promise<void>
  /** What the server has a record of. */
  recordedReplays?(): Promise<RecordedReplays>
  /** The schedule is over. */
  end(): Promise<void>
}

/** What a module that is named by `--adapter` exports under the name `openAdapter`. */
export type OpenAdapter = () => Promise<Adapter>
