import t from 'tap'
import { createRecent } from '../../src/core/recent.ts'

t.test('what was set or asked for last is there, and never more than so many', async (t) => {
  const recent = createRecent<number>(100)
  for (let n = 0; n < 1000; n += 1) {
    recent.set(`key ${n}`, n)
    t.equal(recent.get('key 0'), 0, 'asked for again and again')
    for (let back = 0; back < Math.min(n, 48); back += 1)
      if (recent.get(`key ${n - back}`) !== n - back) t.fail(`key ${n - back} is gone at ${n}`)
  }
  const held = Array.from({ length: 1000 }, (_, n) => recent.get(`key ${n}`)).filter(
    (one) => one !== undefined,
  )
  t.ok(held.length <= 100, `${held.length} are held`)
})

t.test('a key that is set again has its new value, and nothing is left after clear', async (t) => {
  const recent = createRecent<string>(4)
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) recent.set(key, 'old')
  recent.set('f', 'new')
  t.equal(recent.get('f'), 'new')
  recent.clear()
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) t.equal(recent.get(key), undefined, key)
})
