import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createDoorkeeper } from '../../src/core/doorkeeper.ts'

const signature = () => randomBytes(32).toString('base64url')

t.test('a name is known when it comes for the second time, and not before', async (t) => {
  const hasComeBefore = createDoorkeeper(2 ** 15)
  const names = Array.from({ length: 1000 }, signature)
  // Of a thousand names some share a slot of 32,768, and then the last one has it.
  t.same(
    names.filter((name) => hasComeBefore(name)),
    [],
  )
  const again = names.filter((name) => hasComeBefore(name))
  t.ok(again.length > 900, `${again.length} of 1,000 are known`)
  for (const name of ['', 'a', 'ab', 'x'.repeat(5000)]) {
    hasComeBefore(name)
    t.equal(hasComeBefore(name), true, `${name.length} characters`)
  }
})

t.test('names that never come again push out one another, and nothing grows', async (t) => {
  const hasComeBefore = createDoorkeeper(64)
  const first = signature()
  hasComeBefore(first)
  let known = 0
  for (let n = 0; n < 10_000; n += 1) if (hasComeBefore(signature())) known += 1
  t.equal(known, 0, 'none of them is taken for another')
  t.equal(hasComeBefore(first), false, 'and the first is forgotten')
})
