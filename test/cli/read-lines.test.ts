import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { openLines } from '../../src/cli/read-lines.ts'

async function linesOf(path: string): Promise<string[]> {
  const lines: string[] = []
  for await (const line of (await openLines(path)).lines()) lines.push(line)
  return lines
}

t.test(
  'a line ends at a line feed and nowhere else, packed or not, also across the pieces it is read in',
  async (t) => {
    const long = 'ü'.repeat(100_000)
    const text = `one\u2028still one\rstill\n\n${long}\nwindows\r\nlast`
    const lines = ['one\u2028still one\rstill', '', long, 'windows', 'last']
    const directory = t.testdir({ plain: text, empty: '' })
    writeFileSync(join(directory, 'packed'), gzipSync(text))
    t.strictSame(await linesOf(join(directory, 'plain')), lines)
    t.strictSame(await linesOf(join(directory, 'packed')), lines)
    t.strictSame(await linesOf(join(directory, 'empty')), [])
  },
)

t.test('what cannot be read is said in words', async (t) => {
  const directory = t.testdir({ 'a directory': {} })
  writeFileSync(join(directory, 'bytes'), Buffer.from([0x43, 0xff, 0xfe, 0x0a]))
  writeFileSync(join(directory, 'cut'), gzipSync('x'.repeat(9999)).subarray(0, 30))
  writeFileSync(join(directory, 'damaged'), gzipSync('x'.repeat(9999)).fill(7, 10, 20))
  const cases: [name: string, message: RegExp][] = [
    ['bytes', /not in UTF-8/],
    ['cut', /cut off or damaged/],
    ['damaged', /cut off or damaged/],
    ['missing', /cannot be read \(ENOENT\)/],
    ['a directory', /is a directory/],
  ]
  for (const [name, message] of cases)
    await t.rejects(linesOf(join(directory, name)), { name: 'MoveError', message })
})
