import pg from 'pg'
import { openDatabase } from '../src/store/database.ts'
import type { Rotator } from '../src/store/rotation.ts'
import { createRotator, ROTATE, rotationValues } from '../src/store/rotation.ts'
import { answerQuestions } from './answer-questions.js'
import { sessionId } from './people.ts'

/** Rotations without HTTP: of sessions `first` to `first + sessions - 1`, picked at random. */
export interface RotationOrder {
  /** By the store, which lets them share statements; or each as a statement of its own on its own connection. */
  readonly ask: 'rotate' | 'rotate-each-alone'
  readonly url: string
  readonly first: number
  readonly sessions: number
  readonly inFlight: number
  readonly seconds: number
  /** Ends earlier when so many are done. */
  readonly atMost?: number
  readonly [detail: string]: unknown
}

export interface RotationFigures {
  readonly rotated: number
  /** Must be none: nobody else rotates these sessions. */
  readonly missed: number
  readonly seconds: number
  readonly perSecond: number
}

const IDLE_TTL_SECONDS = 30 * 86_400

type RotateOne = (sessionId: string, generation: number) => Promise<boolean>

interface Known {
  readonly rotator: Rotator
  /** By the number of the session. */
  readonly generations: Map<number, number>
}
const databases = new Map<string, Known>()

answerQuestions({
  rotate: (order: RotationOrder) => {
    const { rotator, generations } = knownOf(order.url)
    const rotate: RotateOne = async (id, generation) =>
      (await rotator.rotate({ sessionId: id, generation, key: undefined })) !== undefined
    return run(order, generations, () => rotate)
  },
  'rotate-each-alone': async (order: RotationOrder) => {
    const clients = Array.from({ length: order.inFlight }, () => new pg.Client(order.url))
    await Promise.all(clients.map((client) => client.connect()))
    const figures = await run(order, knownOf(order.url).generations, (index) => async (id, generation) => {
      const rotation = { sessionId: id, generation, key: undefined }
      const values = rotationValues([rotation], IDLE_TTL_SECONDS)
      const answer = await clients[index]?.query({ name: 'rotate', text: ROTATE, values })
      return answer?.rowCount === 1
    })
    await Promise.all(clients.map((client) => client.end()))
    return figures
  },
})

function knownOf(url: string): Known {
  const known = databases.get(url) ?? open(url)
  databases.set(url, known)
  return known
}

function open(url: string): Known {
  const database = openDatabase({ url, poolMax: 10, onIdleError: () => undefined })
  return { rotator: createRotator(database, IDLE_TTL_SECONDS), generations: new Map() }
}

/** As many at a time as asked for, no two of them of one session. */
async function run(
  { first, sessions, inFlight, seconds, atMost = Number.POSITIVE_INFINITY }: RotationOrder,
  generations: Map<number, number>,
  rotatorOf: (index: number) => RotateOne,
): Promise<RotationFigures> {
  const start = performance.now()
  const end = start + seconds * 1000
  let rotated = 0
  let missed = 0
  const share = Math.floor(sessions / inFlight)
  const oneAfterTheOther = async (index: number) => {
    const rotate = rotatorOf(index)
    while (rotated + missed < atMost && performance.now() < end) {
      const number = first + index * share + Math.floor(Math.random() * share)
      const generation = generations.get(number) ?? 0
      const done = await rotate(sessionId(number), generation)
      if (done) {
        rotated += 1
        generations.set(number, generation + 1)
      } else missed += 1
    }
  }
  await Promise.all(Array.from({ length: inFlight }, (_, index) => oneAfterTheOther(index)))
  const took = (performance.now() - start) / 1000
  return { rotated, missed, seconds: took, perSecond: rotated / took }
}
