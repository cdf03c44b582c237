import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import t from 'tap'

/** Starts the bench by `env`: tap follows Node processes into their children, and the compiler does not bear that. */
function startBench(...args: string[]) {
  const node = [process.execPath, '--import', './tools/ts.mjs', 'bench/run.ts', ...args]
  const settings = [`PATH=${process.env['PATH']}`, `TMPDIR=${tmpdir()}`]
  const bench = spawn('/usr/bin/env', ['-i', ...settings, ...node], { stdio: ['ignore', 'pipe', 'pipe'] })
  const printed = { out: '', error: '' }
  bench.stdout.setEncoding('utf8').on('data', (text) => {
    printed.out += text
  })
  bench.stderr.setEncoding('utf8').on('data', (text) => {
    printed.error += text
  })
  return { bench, printed }
}

t.test('the bench prints its table, with what it was measured by, and leaves nothing running', async (t) => {
  const { bench, printed } = startBench('--quick', 'status')
  t.teardown(() => bench.kill())
  // Its pipes are open for as long as any process of it lives.
  const [status] = await once(bench, 'close')
  t.equal(status, 0, printed.error)
  const rows = printed.out.split('\n').filter((line) => line.startsWith('|'))
  t.equal(rows[0], '| what | measured | yardstick | ratio | target | reached? |')
  t.ok(rows.length > 3, printed.out)
  t.match(printed.out, /`npm run bench -- --quick status` · \d+ cores/)
})

t.test('a row that there is not is named, and nothing is measured', async (t) => {
  const { bench, printed } = startBench('no-such-row')
  const [status] = await once(bench, 'close')
  t.equal(status, 64)
  t.match(printed.error, /npm run bench -- \[--quick\] \[status\]/)
})
