import type { Chance } from './chance.ts'
import type { Answer, Party, Server } from './server.ts'
import type { World } from './world.ts'

export interface LineHabits {
  /** Share of the requests that never arrive, and of the answers that never come back. */
  readonly loss: number
  /** The client gives up after this; what was not delivered by then is taken back. */
  readonly timeoutMs: number
  /** Share of the requests that the network still delivers long after their client gave up. */
  readonly zombies: number
}

/** The network between one party and the server. */
export interface Line {
  refresh(refresh: string, key: string | undefined, receive: (answer: Answer) => void): void
  checkStatus(access: string): void
  logOut(refresh: string, done: () => void): void
}

/** What is on the lines, all of them together. */
export interface Traffic {
  /** How many calls have not been answered by the server yet. */
  unanswered: number
  /** What the server broke down of, if it did: no answer, and the end of the schedule. */
  defect: unknown
}

const FAILED: Answer = { kind: 'failed', retryAfterSeconds: undefined }

/** A line with delays and losses; each request goes to a replica by chance. */
export function createLine(
  world: World,
  server: Server,
  traffic: Traffic,
  chance: Chance,
  party: Party,
  habits: LineHabits,
): Line {
  let sent = 0

  /** Mostly short, at times close to the timeout. */
  function flight(): number {
    const kind = chance.next()
    if (kind < 0.8) return chance.between(20, 400)
    if (kind < 0.92) return chance.between(400, 3000)
    return chance.between(3000, habits.timeoutMs * 1.1)
  }

  function call<T>(work: Promise<T>, answered: (answer: T) => void): void {
    traffic.unanswered += 1
    work
      .then((answer) => {
        traffic.unanswered -= 1
        answered(answer)
      })
      .catch((defect) => {
        traffic.defect ??= defect
      })
  }

  const replica = () => chance.whole(0, server.replicas - 1)

  return {
    refresh(refresh, key, receive) {
      sent += 1
      const name = `${party} ${sent}`
      let open = true
      const close = (answer: Answer) => {
        if (open) receive(answer)
        open = false
      }
      world.after(habits.timeoutMs, () => {
        if (open) world.note(() => `${name} gives up`)
        close(FAILED)
      })
      const isZombie = chance.happens(habits.zombies)
      if (!isZombie && chance.happens(habits.loss)) return world.note(() => `${name} lost on its way`)
      const delay = isZombie ? chance.between(30_000, 600_000) : flight()
      if (!isZombie && delay >= habits.timeoutMs) return

      world.after(delay, () => {
        world.note(() => `${name} arrives`)
        const isAnswerLost = chance.happens(habits.loss)
        call(server.refresh({ party, replica: replica(), refresh, key, isAnswerLost }), (answer) => {
          if (isAnswerLost) return world.note(() => `${name} answered, the answer is lost`)
          world.after(flight(), () => close(answer))
        })
      })
    },

    checkStatus(access) {
      if (chance.happens(habits.loss)) return
      world.after(flight(), () => call(server.checkStatus(replica(), access), () => {}))
    },

    logOut(refresh, done) {
      call(server.logOut(replica(), refresh), done)
    },
  }
}
