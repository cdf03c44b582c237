/** What a client is handed. */
export interface Tokens {
  readonly refresh: string
  readonly access: string
  readonly expiresIn: number
}

/** What comes back from POST /refresh. `failed` is 503, a cut connection, silence: nothing is known, so try again. */
export type Answer =
  | ({ readonly kind: 'tokens' } & Tokens)
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'failed'; readonly retryAfterSeconds: number | undefined }

/** Who asks: the schedules know, a server sees addresses. */
export type Party = 'client' | 'thief'

export interface Ask {
  readonly party: Party
  readonly replica: number
  readonly refresh: string
  readonly key: string | undefined
  /** The network loses the answer: whoever asked will not hear it, and a real connection may be cut before it is read. */
  readonly isAnswerLost: boolean
}

/**
 * What clients and thieves can do to a server with one session. A model answers within virtual time; an adapter
 * for a real server speaks HTTP, and moves the server's clock to the world's before every call.
 */
export interface Server {
  readonly replicas: number
  logIn(): Promise<Tokens>
  refresh(ask: Ask): Promise<Answer>
  /** Whether the access token is obeyed. */
  checkStatus(replica: number, access: string): Promise<boolean>
  logOut(replica: number, refresh: string): Promise<void>
  /** How many calls wait for virtual time to pass; all others are being worked on. */
  waiting(): number
  /** Resolves when whatever is being worked on had a chance to go on. */
  breathe(): Promise<void>
}

/** What can happen to a server besides requests. */
export interface Faults {
  /** The process dies in the middle of whatever it does, and is there again at once. */
  restart(replica: number): void | Promise<void>
  /** The database loses what was committed since that moment, at most so many commits, never the first. */
  failOver(since: number, commits: number): void | Promise<void>
}
