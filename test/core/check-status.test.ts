import fc from 'fast-check'
import t from 'tap'
import { nextCheckIn } from '../../src/core/check-status.ts'
import { signedIn } from '../helpers/accounts.ts'
import { startApp } from '../helpers/app.ts'
import { get } from '../helpers/client.ts'

t.test(
  'who polls is sent away for about half a minute, and for less near the end of the token',
  async (t) => {
    const middle = () => 0.5
    t.strictSame(
      [900, 60, 40, 20, 10, 3, 0].map((seconds) => nextCheckIn(seconds, middle)),
      [30, 30, 20, 10, 5, 5, 5],
    )
  },
)

t.test('never at once, never for long, and those who came together come apart', async (t) => {
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 86_400 }), random, (seconds, drawn) => {
        const next = nextCheckIn(seconds, () => drawn)
        return Number.isInteger(next) && next >= 4 && next <= 38
      }),
    ),
  )
  const drawn = Array.from({ length: 1000 }, (_, index) => nextCheckIn(900, () => index / 1000))
  const counts = new Map<number, number>()
  for (const next of drawn) counts.set(next, (counts.get(next) ?? 0) + 1)
  t.ok(Math.max(...counts.values()) < 100, 'no second gets a tenth of them')
})

t.test('the status check offers it beside the clock and the life of the token', async (t) => {
  const service = await startApp(t, {}, { world: { now: Date.now, random: () => 0 } })
  const { access } = await signedIn(service)
  const { body } = await get(`${service.url}/check-auth-status`, access)
  t.equal(body['next_check_in'], 23)
  t.equal(Number(body['expires_at']) - Number(body['server_time']), body['expires_in'])
})
