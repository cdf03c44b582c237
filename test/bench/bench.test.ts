import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import t from 'tap'
import { load } from '../../bench/load.ts'

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
  const { bench, printed } = startBench('--quick', 'status', 'login')
  t.teardown(() => bench.kill())
  // Its pipes are open for as long as any process of it lives.
  const [status] = await once(bench, 'close')
  t.equal(status, 0, printed.error)
  const rows = printed.out.split('\n').filter((line) => line.startsWith('|'))
  t.equal(rows[0], '| what | measured | yardstick | ratio | target | reached? |')
  t.ok(rows.length > 3, printed.out)
  t.match(printed.out, /`npm run bench -- --quick status login` · \d+ cores/)
})

t.test('a row that there is not is named, and nothing is measured', async (t) => {
  const { bench, printed } = startBench('no-such-row')
  const [status] = await once(bench, 'close')
  t.equal(status, 64)
  t.match(printed.error, /npm run bench -- \[--quick\] \[status\]/)
})

t.test('a load goes on by another connection where the server has had enough of one', async (t) => {
  let connections = 0
  const server = createServer((_request, response) => response.end('answer'))
  server.maxRequestsPerSocket = 10
  server.on('connection', () => {
    connections += 1
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  let left = 95
  const next = () => (left-- > 0 ? 'GET / HTTP/1.1\r\nhost: bench\r\n\r\n' : undefined)
  const { answered, refused } = await load({ next }, { port, connections: 2, seconds: 20 })
  t.same({ answered, refused }, { answered: 95, refused: 0 })
  t.ok(connections >= 10, `${connections} connections`)
})
