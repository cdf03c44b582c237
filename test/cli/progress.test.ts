import { PassThrough } from 'node:stream'
import t from 'tap'
import { createProgress } from '../../src/cli/progress.ts'

function screen(isTTY: boolean) {
  const stream = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY })
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => String(stream.read() ?? '') }
}

t.test('a terminal has a bar that is drawn over, and nothing left of it at the end', (t) => {
  const { stream, text } = screen(true)
  const progress = createProgress(stream)
  progress.show(0.5, 1234)
  t.equal(text(), `\r\u001b[K[${'#'.repeat(15)}${'.'.repeat(15)}] 50 % 1,234 accounts`)
  progress.show(undefined, 9)
  t.equal(text(), '\r\u001b[K9 accounts')
  progress.clear()
  t.equal(text(), '\r\u001b[K')
  t.end()
})

t.test('a file or a pipe has nothing', (t) => {
  const { stream, text } = screen(false)
  const progress = createProgress(stream)
  progress.show(0.5, 1234)
  progress.clear()
  t.equal(text(), '')
  t.end()
})
