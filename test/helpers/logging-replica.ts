import { fork } from 'node:child_process'
import { once } from 'node:events'
import { plain } from '../../tools/plain.mjs'
import type { Teardown } from './postgres.ts'
import { until } from './until.ts'

/** A service in a process of its own, and what it logs. */
export async function startLogging(t: Teardown, databaseUrl: string) {
  const replica = fork(plain('test/helpers/replica.ts'), [databaseUrl], {
    execArgv: [],
    env: { ...process.env, TEST_LOG: 'info' },
    silent: true,
  })
  let logged = ''
  for (const stream of [replica.stdout, replica.stderr])
    stream?.setEncoding('utf8').on('data', (text) => (logged += text))
  const exited = once(replica, 'exit')
  async function end(): Promise<string> {
    replica.kill('SIGTERM')
    await exited
    return logged
  }
  t.teardown(end)
  const [url] = (await once(replica, 'message')) as [string]
  return {
    url,
    /** Ends it, and gives all that it has logged. */
    end,
    async untilLogged(word: string): Promise<string> {
      await until(`"${word}" is logged`, () => logged.includes(word))
      return logged
    },
  }
}
