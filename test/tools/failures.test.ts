import t from 'tap'
import { createFailures } from '../../tools/failures.mjs'

const STREAM = `TAP version 14
# Subtest: groups/01.mjs
    # test/core/good.test.ts
    # Subtest: all is well
        ok 1 - yes
        1..1
    ok 1 - all is well # time=1ms
    # test/core/bad.test.ts
    # Subtest: a promise
        ok 1 - the first half
        not ok 2 - the second half
          ---
          diff: |
            -1
            +2
          ...
        1..2
    not ok 2 - a promise # time=2ms
    # Subtest: for later
        not ok 1 - known # TODO
    ok 3 - for later # time=1ms
    1..3
not ok 1 - groups/01.mjs # time=9ms
  ---
  signal: SIGABRT
  ...
1..1
`

t.test('what failed is said again with its file, its tests and what tap tells of it', async (t) => {
  for (const size of [1, 7, STREAM.length]) {
    const failures = createFailures()
    for (let at = 0; at < STREAM.length; at += size) failures.take(STREAM.slice(at, at + size))
    t.equal(
      failures.report(),
      `# What failed:
#
# test/core/bad.test.ts > groups/01.mjs > a promise
# not ok 2 - the second half
#           ---
#           diff: |
#             -1
#             +2
#
# test/core/bad.test.ts > groups/01.mjs
# not ok 2 - a promise # time=2ms
#
# test/core/bad.test.ts
# not ok 1 - groups/01.mjs # time=9ms
#   ---
#   signal: SIGABRT
`,
    )
  }
})

t.test('where nothing failed nothing is said, and of very many failures the first', async (t) => {
  const failures = createFailures()
  failures.take('ok 1 - yes\n1..1\n')
  t.equal(failures.report(), '')
  for (let n = 1; n <= 25; n += 1) failures.take(`not ok ${n} - no\n`)
  const report = failures.report()
  t.match(report, /not ok 20 - no/)
  t.notMatch(report, /not ok 21 - no/)
  t.match(report, /# and 5 more\n$/)
})
