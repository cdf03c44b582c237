import type { Test } from 'tap'
import t from 'tap'
import type { Finding, Tally } from '../torture/campaign.ts'
import { replay, runCampaign } from '../torture/campaign.ts'
import { FAMILIES, FIXED, KEYED, KEYLESS, LOSSY, ROBBED, STRICT } from '../torture/families.ts'
import type { Family } from '../torture/kinds.ts'
import { UNPROMISED, UNSTOPPABLE } from '../torture/unpromised.ts'

// KEYTURN_SEED=7 draws other schedules; KEYTURN_SCHEDULES=1000000 draws more of them;
// KEYTURN_REPLAY=0:125 shows schedule 125 of family 0, step by step.
const SEED = Number(process.env['KEYTURN_SEED'] ?? 1)
const SCHEDULES = Number(process.env['KEYTURN_SCHEDULES'] ?? 100_000)
const REPLAY = process.env['KEYTURN_REPLAY']?.split(':').map(Number)

const isFifthLoss = (finding: Finding) => finding === 'its fifth lost answer running'
// A long run takes as long as it takes.
t.setTimeout(Math.max(240_000, SCHEDULES * 10))

function defineTests(tallies: readonly Tally[]): void {
  const tallyOf = (family: Family): Tally => {
    const tally = tallies[FAMILIES.indexOf(family)]
    if (tally === undefined) throw new Error(`${family.name} was not run`)
    return tally
  }
  const scheduleName = (family: Family, n: number) => `${FAMILIES.indexOf(family)}:${n}`

  /** Prints what was found, and fails with the log of a schedule in which something was that must not be. */
  async function check(t: Test, family: Family, isAllowed: (finding: Finding) => boolean): Promise<void> {
    const { schedules, refreshes, found, outcomes, answeredInGrace } = tallyOf(family)
    t.comment(
      `${family.name}: ${schedules} schedules, ${refreshes} refreshes, ${outcomes.overtaken} overtaken`,
    )
    if (answeredInGrace.thief > 0)
      t.comment(`  ${answeredInGrace.thief} replays of thieves inside the grace, each with its event`)
    for (const [finding, { times, first }] of found) {
      const name = scheduleName(family, first)
      t.comment(`  ${times} × ${finding} (first in ${name})`)
      if (isAllowed(finding)) continue
      t.fail(`${finding}: KEYTURN_SEED=${SEED} KEYTURN_REPLAY=${name}`)
      t.comment((await replay(FAMILIES.indexOf(family), SEED, first)).log.join('\n'))
    }
    t.ok(schedules > 0, family.name)
  }

  t.test('a client that keeps an Idempotency-Key is logged out by no loss, no tabs, no fail-over', (t) =>
    check(t, KEYED, () => false),
  )

  t.test('a client without a key is logged out less than once in a million refreshes up to 5 %', (t) => {
    const { refreshes, found } = tallyOf(KEYLESS)
    const fifthLosses = found.get('its fifth lost answer running')?.times ?? 0
    return check(t, KEYLESS, (finding) => isFifthLoss(finding) && fifthLosses * 1_000_000 <= refreshes)
  })

  t.test(
    'above 5 % a client without a key is taken for a thief only at its fifth lost answer running',
    async (t) => {
      for (const family of LOSSY) await check(t, family, isFifthLoss)
    },
  )

  t.test('a delayed request inside the grace is answered, or its client finds what siblings stored', (t) => {
    const honest = [KEYED, KEYLESS, ...LOSSY].map(tallyOf)
    const sum = (count: (tally: Tally) => number) => honest.reduce((total, tally) => total + count(tally), 0)
    const answered = sum(({ answeredInGrace }) => answeredInGrace.client)
    const overtaken = sum(({ outcomes }) => outcomes.overtaken ?? 0)
    t.comment(`${answered} were answered, ${overtaken} told to read the storage again`)
    t.ok(answered > SCHEDULES / 2, 'there were enough of them')
    t.ok(overtaken > SCHEDULES / 1000, 'the others were few, and enough to tell')
    t.ok(overtaken < answered / 50)
    t.end()
  })

  t.test('a session that does not rotate keeps its token through all of it', (t) =>
    check(t, FIXED, () => false),
  )

  t.test('five generations after a double use outside the grace no thief holds a session', async (t) => {
    for (const family of ROBBED) await check(t, family, (finding) => finding !== 'held on')
  })

  t.test('in strict mode the first double use outside the grace ends the session', async (t) => {
    const lawful: readonly Finding[] = ['late, in strict mode', 'caught', 'no double use outside the grace']
    for (const family of STRICT) await check(t, family, (finding) => lawful.includes(finding))
  })

  t.test('what is not promised is counted and explained', async (t) => {
    for (const family of [...UNPROMISED, ...UNSTOPPABLE])
      await check(t, family, (finding) => finding !== 'unexplained')
  })

  const ALWAYS =
    'always: one successor and one token for a generation, no way back, no answer from the dead, an event for every verdict'
  t.test(ALWAYS, async (t) => {
    for (const family of FAMILIES) {
      const { broken } = tallyOf(family)
      t.same(broken.slice(0, 3), [], family.name)
      if (broken[0] === undefined) continue
      t.comment(`KEYTURN_SEED=${SEED} KEYTURN_REPLAY=${scheduleName(family, broken[0].schedule)}`)
      t.comment((await replay(FAMILIES.indexOf(family), SEED, broken[0].schedule)).log.join('\n'))
    }
  })

  t.test('the same seed gives the same schedule, step by step', async (t) => {
    for (const [index, { name }] of FAMILIES.entries()) {
      const [one, other] = [await replay(index, SEED, 3), await replay(index, SEED, 3)]
      t.ok(one.log.length > 1, name)
      t.same(one.log, other.log, name)
    }
  })
}

if (REPLAY !== undefined) {
  const [family = 0, n = 0] = REPLAY
  const { log, finding, witness } = await replay(family, SEED, n)
  t.comment(`${FAMILIES[family]?.name}\n${log.join('\n')}`)
  t.comment(`finding: ${finding ?? 'none'}; broken: ${witness.broken.join(', ') || 'nothing'}`)
  t.pass('shown')
} else {
  t.comment(`KEYTURN_SEED=${SEED} KEYTURN_SCHEDULES=${SCHEDULES}`)
  defineTests(await runCampaign(SEED, SCHEDULES))
}
