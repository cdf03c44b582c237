import t from 'tap'
import { mannWhitney } from '../../bench/mann-whitney.ts'

const count = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

t.test('values of one kind are not told apart, values of two kinds are', async (t) => {
  const same = mannWhitney(count(1, 30), count(1, 30))
  t.equal(same.auc, 0.5)
  t.ok(Math.abs(same.p - 1) < 1e-6)
  const below = mannWhitney(count(1, 30), count(31, 60))
  t.equal(below.auc, 0)
  t.ok(below.p < 1e-9)
  const above = mannWhitney(count(31, 60), count(1, 30))
  t.equal(above.auc, 1)
  t.equal(above.p, below.p)
  t.same(mannWhitney([5, 5, 5], [5, 5, 5]), { auc: 0.5, p: 1 })
})

t.test('half of the way apart is as likely as the books say', async (t) => {
  // U = 112.5 of 400 pairs, ties of fifteen pairs: z = -2.3676, two-sided 0.0179.
  const { auc, p } = mannWhitney(count(1, 20), count(6, 25))
  t.equal(auc, 112.5 / 400)
  t.ok(Math.abs(p - 0.0179) < 0.0005, `${p}`)
})
