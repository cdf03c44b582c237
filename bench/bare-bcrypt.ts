import { availableParallelism } from 'node:os'
import { Piscina } from 'piscina'
import type work from '../src/core/bcrypt-worker.js'
import { answerQuestions } from './answer-questions.js'

export interface CompareOrder {
  readonly ask: 'compare'
  readonly input: string
  readonly hash: string
  readonly cost: number
  readonly inFlight: number
  readonly seconds: number
  readonly [detail: string]: unknown
}

// The yardstick of the login row: the worker file of the service on as many threads, with nothing around it.
const pool = new Piscina<Parameters<typeof work>[0], Awaited<ReturnType<typeof work>>>({
  filename: new URL('../src/core/bcrypt-worker.js', import.meta.url).href,
  execArgv: [],
  maxThreads: availableParallelism(),
})

answerQuestions({
  hash: ({ input, cost }: { input: string; cost: number }) => pool.run({ input, cost }),
  async compare({ input, hash, cost, inFlight, seconds }: CompareOrder) {
    const start = performance.now()
    let compared = 0
    const against = { kind: 'bcrypt', overDigest: false, cost, hash } as const
    const check = { inputs: [input], against, roundsOtherwise: 0 }
    const oneAfterTheOther = async () => {
      while (performance.now() - start < seconds * 1000) {
        const checked = await pool.run(check)
        if (typeof checked === 'string' || !checked.matches) throw new Error('the hash does not match')
        compared += 1
      }
    }
    await Promise.all(Array.from({ length: inFlight }, oneAfterTheOther))
    return { answered: compared, perSecond: compared / ((performance.now() - start) / 1000) }
  },
})
