import type { Test } from 'tap'
import t from 'tap'
import type { Presented, RotationPolicy, SessionState, Verdict } from '../../src/core/rotation.ts'
import { judgeRefresh } from '../../src/core/rotation.ts'

const SECOND = 1000
const DAY = 24 * 3600 * SECOND
const ROTATED = Date.UTC(2026, 0, 1)
const GRACE_ENDS = ROTATED + 30 * SECOND
const AFTER_GRACE = GRACE_ENDS + 1
const IDLE_ENDS = ROTATED + 30 * DAY

const recover: RotationPolicy = {
  refreshGraceSeconds: 30,
  refreshIdleTtlSeconds: 30 * 24 * 3600,
  refreshReplay: 'recover',
}
const strict: RotationPolicy = { ...recover, refreshReplay: 'strict' }

const KEY = Buffer.from('the digest of 16')
const OTHER_KEY = Buffer.from('another digest..')

/** Generation 10, rotated at `ROTATED`, with nothing remarkable about it. */
function row(change: Partial<SessionState> = {}): SessionState {
  return {
    generation: 10,
    seenGeneration: 9,
    lateGeneration: 0,
    lateReplays: 0,
    floorGeneration: 0,
    rotates: true,
    rotatedAt: ROTATED,
    expiresAt: ROTATED + 90 * DAY,
    revokedAt: undefined,
    retryKey: undefined,
    userDisabled: false,
    ...change,
  }
}

const bring = (generation: number, retryKey?: Buffer): Presented => ({ generation, retryKey })

const dead = (reason: 'unknown' | 'revoked' | 'expired' | 'disabled'): Verdict => ({ kind: 'dead', reason })
const lostAnswer = (counted: boolean): Verdict => ({ kind: 'lost_answer', counted })
const keep: Verdict = { kind: 'keep' }
const healed: Verdict = { kind: 'healed' }
const rotate: Verdict = { kind: 'rotate' }
const replay: Verdict = { kind: 'replay' }
const overtaken: Verdict = { kind: 'overtaken' }
const theft: Verdict = { kind: 'theft' }

type Case = readonly [
  promise: string,
  session: SessionState | undefined,
  presented: Presented,
  now: number,
  expected: Verdict,
  policy?: RotationPolicy,
]

function holds(t: Test, cases: readonly Case[]): void {
  for (const [promise, session, presented, now, expected, policy] of cases) {
    t.same(judgeRefresh(session, presented, now, policy ?? recover), expected, promise)
  }
  t.end()
}

t.test('rule 1: what is dead stays dead, and the reason is told', (t) =>
  holds(t, [
    ['no row', undefined, bring(10), ROTATED, dead('unknown')],
    ['revoked', row({ revokedAt: ROTATED }), bring(10), ROTATED, dead('revoked')],
    ['user disabled', row({ userDisabled: true }), bring(10), ROTATED, dead('disabled')],
    [
      'alive a millisecond before the absolute end',
      row({ expiresAt: ROTATED + 5 }),
      bring(10),
      ROTATED + 4,
      rotate,
    ],
    ['over at the absolute end', row({ expiresAt: ROTATED + 5 }), bring(10), ROTATED + 5, dead('expired')],
    ['alive a millisecond before the idle end', row(), bring(10), IDLE_ENDS - 1, rotate],
    ['over at the idle end', row(), bring(10), IDLE_ENDS, dead('expired')],
    ['expired inside the grace', row({ expiresAt: ROTATED + 5 }), bring(9), ROTATED + 5, dead('expired')],
    [
      'idle life shorter than the grace',
      row(),
      bring(9),
      ROTATED + 1000,
      dead('expired'),
      { ...recover, refreshIdleTtlSeconds: 1 },
    ],
    ['dead comes before keep', row({ rotates: false, revokedAt: 1 }), bring(10), ROTATED, dead('revoked')],
    ['dead comes before healed', row({ revokedAt: 1 }), bring(11), ROTATED, dead('revoked')],
    ['dead comes before theft', row({ revokedAt: 1 }), bring(1), AFTER_GRACE, dead('revoked')],
    [
      'revoked comes before disabled and expired',
      row({ revokedAt: 1, userDisabled: true, expiresAt: 0 }),
      bring(10),
      ROTATED,
      dead('revoked'),
    ],
    ['dead in strict mode too', row({ revokedAt: 1 }), bring(9), AFTER_GRACE, dead('revoked'), strict],
  ]),
)

t.test('rule 2: a session that does not rotate keeps its token, whatever the generations say', (t) =>
  holds(t, [
    ['the token it has', row({ rotates: false }), bring(10), ROTATED, keep],
    ['past the idle life, which is not its own', row({ rotates: false }), bring(10), IDLE_ENDS + DAY, keep],
    ['not past the absolute life', row({ rotates: false }), bring(10), ROTATED + 90 * DAY, dead('expired')],
    ['before healed', row({ rotates: false }), bring(11), ROTATED, keep],
    ['before theft', row({ rotates: false }), bring(1), AFTER_GRACE, keep],
    ['before strict', row({ rotates: false }), bring(1), AFTER_GRACE, keep, strict],
  ]),
)

t.test('rule 3: a token ahead of the row proves lost commits and heals', (t) =>
  holds(t, [
    ['one ahead', row(), bring(11), ROTATED, healed],
    ['far ahead, long after', row(), bring(4711), IDLE_ENDS - 1, healed],
    ['in strict mode too', row(), bring(11), AFTER_GRACE, healed, strict],
    ['although the row is past its idle life: it was refreshed since', row(), bring(11), IDLE_ENDS, healed],
    [
      'not once it is past its absolute life',
      row({ expiresAt: ROTATED + 5 }),
      bring(11),
      ROTATED + 5,
      dead('expired'),
    ],
  ]),
)

t.test('rule 4: the current token rotates', (t) =>
  holds(t, [
    ['at once', row(), bring(10), ROTATED, rotate],
    ['at the last moment', row(), bring(10), IDLE_ENDS - 1, rotate],
    ['in strict mode too', row(), bring(10), AFTER_GRACE, rotate, strict],
    [
      'even below the floor, which speaks of older ones',
      row({ floorGeneration: 11 }),
      bring(10),
      ROTATED,
      rotate,
    ],
    [
      'although seen, late and out of belief',
      row({ seenGeneration: 10, lateGeneration: 10, lateReplays: 4 }),
      bring(10),
      AFTER_GRACE,
      rotate,
    ],
  ]),
)

t.test('rule 5: inside the grace the two tokens before the current one are answered again', (t) =>
  holds(t, [
    ['one behind, at the moment of the rotation', row(), bring(9), ROTATED, replay],
    ['one behind, at the last millisecond', row(), bring(9), GRACE_ENDS, replay],
    ['one behind, a millisecond later, seen', row({ seenGeneration: 10 }), bring(9), AFTER_GRACE, theft],
    ['two behind, at the last millisecond', row(), bring(8), GRACE_ENDS, replay],
    ['two behind, a millisecond later', row(), bring(8), AFTER_GRACE, theft],
    ['although the current one was seen', row({ seenGeneration: 10 }), bring(9), GRACE_ENDS, replay],
    ['although belief is used up', row({ lateReplays: 4 }), bring(9), GRACE_ENDS, replay],
    ['at the floor', row({ floorGeneration: 9 }), bring(9), GRACE_ENDS, replay],
    ['in strict mode too', row(), bring(9), GRACE_ENDS, replay, strict],
    ['a clock that stepped back is inside', row(), bring(9), ROTATED - 5 * SECOND, replay],
    [
      'no grace at all still covers the same millisecond',
      row(),
      bring(9),
      ROTATED,
      replay,
      { ...recover, refreshGraceSeconds: 0 },
    ],
    [
      'and nothing more',
      row({ seenGeneration: 10 }),
      bring(9),
      ROTATED + 1,
      theft,
      { ...recover, refreshGraceSeconds: 0 },
    ],
  ]),
)

t.test('rule 5b: inside the grace a request overtaken by up to eight generations ends nothing', (t) =>
  holds(t, [
    ['three behind', row(), bring(7), ROTATED, overtaken],
    ['eight behind', row(), bring(2), ROTATED, overtaken],
    ['nine behind', row(), bring(1), ROTATED, theft],
    ['at the last millisecond', row(), bring(2), GRACE_ENDS, overtaken],
    ['a millisecond later', row(), bring(7), AFTER_GRACE, theft],
    ['two behind, below the floor', row({ floorGeneration: 9 }), bring(8), ROTATED, overtaken],
    ['one behind, below the floor', row({ floorGeneration: 10 }), bring(9), ROTATED, overtaken],
    [
      'although the current one was seen',
      row({ floorGeneration: 10, seenGeneration: 10 }),
      bring(9),
      ROTATED,
      overtaken,
    ],
    ['although belief is used up', row({ lateReplays: 4 }), bring(7), ROTATED, overtaken],
    [
      'although it brings the key that made the current one',
      row({ floorGeneration: 10, retryKey: KEY }),
      bring(9, KEY),
      ROTATED,
      overtaken,
    ],
    ['in strict mode too', row(), bring(7), ROTATED, overtaken, strict],
    ['nine behind, in strict mode', row(), bring(1), ROTATED, theft, strict],
  ]),
)

t.test('rule 6: strict mode takes whatever is late for a theft', (t) =>
  holds(t, [
    ['a millisecond after the grace', row(), bring(9), AFTER_GRACE, theft, strict],
    ['also with the key', row({ retryKey: KEY }), bring(9, KEY), AFTER_GRACE, theft, strict],
    [
      'also below the floor',
      row({ floorGeneration: 10, retryKey: KEY }),
      bring(9, KEY),
      AFTER_GRACE,
      theft,
      strict,
    ],
  ]),
)

t.test('rule 7: whoever brings the key that made the current generation lost the answer', (t) =>
  holds(t, [
    ['not counted', row({ retryKey: KEY }), bring(9, KEY), AFTER_GRACE, lostAnswer(false)],
    [
      'an equal key in other bytes of memory',
      row({ retryKey: KEY }),
      bring(9, Buffer.from(KEY)),
      AFTER_GRACE,
      lostAnswer(false),
    ],
    [
      'although seen',
      row({ retryKey: KEY, seenGeneration: 10 }),
      bring(9, KEY),
      AFTER_GRACE,
      lostAnswer(false),
    ],
    [
      'although belief is used up',
      row({ retryKey: KEY, lateReplays: 4 }),
      bring(9, KEY),
      AFTER_GRACE,
      lostAnswer(false),
    ],
    [
      'although below the floor',
      row({ retryKey: KEY, floorGeneration: 10 }),
      bring(9, KEY),
      AFTER_GRACE,
      lostAnswer(false),
    ],
    ['weeks later', row({ retryKey: KEY }), bring(9, KEY), IDLE_ENDS - 1, lostAnswer(false)],
    ['not two generations behind', row({ retryKey: KEY }), bring(8, KEY), AFTER_GRACE, theft],
    [
      'not with another key',
      row({ retryKey: KEY, seenGeneration: 10 }),
      bring(9, OTHER_KEY),
      AFTER_GRACE,
      theft,
    ],
    [
      'not with the beginning of it',
      row({ retryKey: KEY, seenGeneration: 10 }),
      bring(9, KEY.subarray(0, 8)),
      AFTER_GRACE,
      theft,
    ],
    ['two absent keys are not the same key', row({ seenGeneration: 10 }), bring(9), AFTER_GRACE, theft],
  ]),
)

t.test('rule 8: once the current generation was seen, the one before is a theft', (t) =>
  holds(t, [
    ['seen', row({ seenGeneration: 10 }), bring(9), AFTER_GRACE, theft],
    [
      'although counted already',
      row({ seenGeneration: 10, lateGeneration: 10 }),
      bring(9),
      AFTER_GRACE,
      theft,
    ],
    ['only the one before was seen', row({ seenGeneration: 9 }), bring(9), AFTER_GRACE, lostAnswer(true)],
  ]),
)

t.test('rules 9 and 10: lost answers are believed four generations running, each counted once', (t) =>
  holds(t, [
    ['the first', row({ lateReplays: 0 }), bring(9), AFTER_GRACE, lostAnswer(true)],
    ['the fourth', row({ lateReplays: 3 }), bring(9), AFTER_GRACE, lostAnswer(true)],
    ['the fifth is a theft', row({ lateReplays: 4 }), bring(9), AFTER_GRACE, theft],
    [
      'again in the same generation',
      row({ lateReplays: 1, lateGeneration: 10 }),
      bring(9),
      AFTER_GRACE,
      lostAnswer(false),
    ],
    [
      'again after the fourth',
      row({ lateReplays: 4, lateGeneration: 10 }),
      bring(9),
      AFTER_GRACE,
      lostAnswer(false),
    ],
    [
      'counted in the generation before is not counted in this',
      row({ lateReplays: 1, lateGeneration: 9 }),
      bring(9),
      AFTER_GRACE,
      lostAnswer(true),
    ],
    [
      'a wrong key is no worse than none',
      row({ retryKey: KEY }),
      bring(9, OTHER_KEY),
      AFTER_GRACE,
      lostAnswer(true),
    ],
  ]),
)

t.test('rule 11: everything else is a theft', (t) =>
  holds(t, [
    [
      'two behind after the grace, unseen and uncounted',
      row({ seenGeneration: 0 }),
      bring(8),
      AFTER_GRACE,
      theft,
    ],
    ['two behind, counted in this generation', row({ lateGeneration: 10 }), bring(8), AFTER_GRACE, theft],
    [
      'two behind, with the key of the current one',
      row({ retryKey: KEY }),
      bring(8, KEY),
      AFTER_GRACE,
      theft,
    ],
    ['the first token of all', row(), bring(0), AFTER_GRACE, theft],
    ['the first token of all, inside the grace', row(), bring(0), ROTATED, theft],
    ['a generation below zero', row({ generation: 0 }), bring(-2), AFTER_GRACE, theft],
  ]),
)

// The rules once more, as data: those of the design, idle expiry only for what is not ahead, and 5b, the overtaken.
// Below they are compared with the code over a whole small world.

interface Facts {
  readonly life: Point['life']
  readonly rotates: boolean
  readonly g: number
  readonly c: number
  readonly inGrace: boolean
  readonly floor: number
  readonly strict: boolean
  readonly keyMadeG: boolean
  readonly seen: number
  readonly late: number
  readonly lateReplays: number
}

const TABLE: readonly (readonly [rule: string, matches: (facts: Facts) => boolean, verdict: string])[] = [
  ['1', ({ life }) => life === 'revoked' || life === 'disabled' || life === 'past absolute', 'dead'],
  ['1b', ({ life, rotates, c, g }) => life === 'past idle' && rotates && c <= g, 'dead'],
  ['2', ({ rotates }) => !rotates, 'keep'],
  ['3', ({ c, g }) => c > g, 'healed'],
  ['4', ({ c, g }) => c === g, 'rotate'],
  ['5', ({ inGrace, c, g, floor }) => inGrace && c >= g - 2 && c >= floor, 'replay'],
  ['5b', ({ inGrace, c, g }) => inGrace && c >= g - 8, 'overtaken'],
  ['6', ({ strict }) => strict, 'theft'],
  ['7', ({ c, g, keyMadeG }) => c === g - 1 && keyMadeG, 'lost_answer'],
  ['8', ({ c, g, seen }) => c === g - 1 && seen >= g, 'theft'],
  ['9', ({ c, g, late }) => c === g - 1 && late === g, 'lost_answer'],
  ['10', ({ c, g, lateReplays }) => c === g - 1 && lateReplays < 4, 'lost_answer+1'],
  ['11', () => true, 'theft'],
]

const G = 10
/** Each dimension with the values at which some rule changes its mind. */
const WORLD = {
  life: ['alive', 'revoked', 'disabled', 'past absolute', 'past idle'],
  rotates: [true, false],
  c: [1, 2, 7, 8, 9, 10, 11],
  now: [ROTATED, GRACE_ENDS, AFTER_GRACE],
  floor: [0, 7, 8, 9, 10],
  strict: [false, true],
  key: ['none', 'stored only', 'brought only', 'same', 'different'],
  seen: [8, 9, 10],
  late: [0, 9, 10],
  lateReplays: [0, 3, 4, 5],
} as const

type Point = { -readonly [K in keyof typeof WORLD]: (typeof WORLD)[K][number] }

function* points(): Generator<Point> {
  const names = Object.keys(WORLD) as (keyof Point)[]
  const sizes = names.map((name) => WORLD[name].length)
  const total = sizes.reduce((product, size) => product * size, 1)
  for (let n = 0; n < total; n += 1) {
    let rest = n
    const entries = names.map((name, i) => {
      const size = sizes[i] ?? 1
      const value = WORLD[name][rest % size]
      rest = Math.floor(rest / size)
      return [name, value]
    })
    yield Object.fromEntries(entries) as Point
  }
}

function byTable(point: Point): string {
  const facts: Facts = {
    ...point,
    g: G,
    inGrace: point.now <= GRACE_ENDS,
    keyMadeG: point.key === 'same',
  }
  const [rule, , verdict] = TABLE.find(([, matches]) => matches(facts)) ?? []
  return `${rule}: ${verdict}`
}

function byCode(point: Point): string {
  const session = row({
    seenGeneration: point.seen,
    lateGeneration: point.late,
    lateReplays: point.lateReplays,
    floorGeneration: point.floor,
    rotates: point.rotates,
    retryKey: point.key === 'none' || point.key === 'brought only' ? undefined : KEY,
    revokedAt: point.life === 'revoked' ? ROTATED : undefined,
    userDisabled: point.life === 'disabled',
    ...(point.life === 'past absolute' && { expiresAt: point.now }),
  })
  const brought = {
    none: undefined,
    'stored only': undefined,
    'brought only': KEY,
    same: KEY,
    different: OTHER_KEY,
  }
  const policy = {
    ...(point.strict ? strict : recover),
    ...(point.life === 'past idle' && { refreshIdleTtlSeconds: 0 }),
  }
  const verdict = judgeRefresh(session, bring(point.c, brought[point.key]), point.now, policy)
  return verdict.kind === 'lost_answer' && verdict.counted ? 'lost_answer+1' : verdict.kind
}

t.test('judgeRefresh is the table of its rules, over every combination of a small world', (t) => {
  let compared = 0
  const rulesMet = new Set<string>()
  const differences: unknown[] = []
  for (const point of points()) {
    compared += 1
    const [rule = '', expected] = byTable(point).split(': ')
    const found = byCode(point)
    rulesMet.add(rule)
    if (found !== expected) differences.push({ ...point, rule, expected, found })
  }
  t.same(differences.slice(0, 3), [], `${compared} combinations`)
  t.equal(rulesMet.size, TABLE.length, 'every rule was met')
  t.end()
})

t.test('the verdict is pure: the same question twice has the same answer and changes nothing', (t) => {
  const session = Object.freeze(row({ retryKey: KEY, lateReplays: 3 }))
  const presented = Object.freeze(bring(9, OTHER_KEY))
  const first = judgeRefresh(session, presented, AFTER_GRACE, Object.freeze({ ...recover }))
  t.same(judgeRefresh(session, presented, AFTER_GRACE, recover), first)
  t.end()
})
