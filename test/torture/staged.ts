import type { Stage, Subject, Unread } from './adapter.ts'
import type { Chance } from './chance.ts'
import type { Ledger } from './ledger.ts'
import type { Answer, Ask, Faults, Server, Tokens } from './server.ts'
import type { World } from './world.ts'

/** Requests that arrive within this of each other are sent at once, so that they race in the real server. */
const CROSSING_MS = 60
const FAILED: Answer = { kind: 'failed', retryAfterSeconds: undefined }

interface Held {
  readonly ask: Ask
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

/** Puts a real server on the stage of virtual time, and writes down in the ledger what it answered. */
export function stage(
  world: World,
  chance: Chance,
  subject: Subject,
  ledger: Ledger,
  { replicas, mayFailOver }: Stage,
): Server & Partial<Faults> {
  const held: Held[] = []
  let wake = (): void => {}
  let woken = new Promise<void>((resolve) => {
    wake = resolve
  })

  /** Whoever waits is woken after those who asked have taken their answers. */
  function settled(): void {
    setImmediate(() => {
      wake()
      woken = new Promise((resolve) => {
        wake = resolve
      })
    })
  }

  async function awaited<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } finally {
      settled()
    }
  }

  function sendAll(): void {
    for (const { ask, resolve, reject } of held.splice(0)) {
      const at = world.now
      subject
        .refresh(ask, at)
        .then((answer) => {
          ledger.answered(ask, answer, at)
          resolve(isUnread(answer) ? FAILED : answer)
        })
        .catch(reject)
        .finally(settled)
    }
  }

  const server: Server = {
    replicas,
    async logIn(): Promise<Tokens> {
      const tokens = await subject.signIn(world.now)
      ledger.signedIn(tokens, world.now)
      return tokens
    },
    refresh: (ask) =>
      new Promise((resolve, reject) => {
        if (held.length === 0) world.after(chance.between(1, CROSSING_MS), sendAll)
        held.push({ ask, resolve, reject })
      }),
    checkStatus: (replica, access) => awaited(subject.checkStatus(replica, access, world.now)),
    logOut(replica, refresh) {
      ledger.loggedOut()
      return awaited(subject.logOut(replica, refresh, world.now))
    },
    waiting: () => held.length,
    breathe: () => woken,
  }
  return {
    ...server,
    ...(subject.restart && {
      restart: (replica: number) => {
        world.note(() => 'a replica dies and starts again')
        ledger.restarted()
        return awaited(subject.restart?.(replica, sendAll) ?? Promise.resolve())
      },
    }),
    ...(subject.failOver &&
      mayFailOver && {
        failOver: (since: number, commits: number) => {
          world.note(() => `the database loses up to ${commits} commits`)
          ledger.failedOver(since)
          return awaited(subject.failOver?.(world.now, since, commits) ?? Promise.resolve())
        },
      }),
  }
}

function isUnread(answer: Answer | Unread): answer is Unread {
  return answer.kind === 'unread'
}
