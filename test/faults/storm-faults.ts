import { setTimeout as pause } from 'node:timers/promises'
import type { Asked } from './ask.ts'
import { ask } from './ask.ts'
import type { Fault } from './fault.ts'
import type { World } from './world.ts'

const SIGN_INS = 1000
const WITHIN_MS = 10_000
/** A hash then costs some 50 ms, so that the storm asks for more than two cores have. */
const DEAR = { BCRYPT_COST: '10' }
/** Of status checks; their median, because a machine without an idle core keeps some of anybody's requests waiting. */
const CHECKED_WITHIN_MS = 250

let complaints: string[] = []

/** Somebody tries passwords from everywhere at once. */
export const stormFaults: readonly Fault[] = [
  {
    name: `Storm of ${SIGN_INS} sign-ins in ${WITHIN_MS / 1000} s`,
    prepare: (world) => world.startReplicas(DEAR),
    async happen(world) {
      const from = world.asked.length
      const answers = await storm(world)
      const odd = answers.filter(({ status }) => ![401, 429, 503].includes(status))
      const refused = answers.filter(({ status }) => status === 503 || status === 429)
      const checks = world.asked
        .slice(from)
        .filter(({ kind }) => kind === 'check')
        .map(({ startedAt, endedAt }) => endedAt - startedAt)
        .sort((one, other) => one - other)
      const median = checks[Math.floor(checks.length / 2)] ?? Number.POSITIVE_INFINITY
      complaints = [
        ...odd.map(({ status, code }) => `a sign-in of the storm was answered ${status} ${code}`),
        ...(refused.every(({ hasRetryAfter }) => hasRetryAfter) ? [] : ['a refusal without Retry-After']),
        ...(refused.length > 0 ? [] : ['the storm was none: nobody was refused']),
        ...(median > CHECKED_WITHIN_MS ? [`half of the status checks took ${Math.round(median)} ms`] : []),
      ]
    },
    check: async () => complaints,
    after: (world) => world.startReplicas(),
    isWithoutHashes: true,
    promise: { answerWithinMs: 3000, recoverWithinMs: 2000 },
  },
]

/** An open loop: nobody waits for the answer to another. */
async function storm({ balancer }: World): Promise<Asked[]> {
  const began = performance.now()
  const answers: Promise<Asked>[] = []
  while (answers.length < SIGN_INS) {
    const due = Math.min(SIGN_INS, ((performance.now() - began) / WITHIN_MS) * SIGN_INS)
    while (answers.length < due) {
      const turn = answers.length
      answers.push(
        ask(balancer.url, 'login', {
          path: '/token',
          fields: { username: `nobody${turn}`, password: 'a wrong pass phrase' },
          address: `11.0.${turn >> 8}.${turn & 255}`,
        }),
      )
    }
    await pause(10)
  }
  return Promise.all(answers)
}
