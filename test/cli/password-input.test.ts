import { PassThrough } from 'node:stream'
import t from 'tap'
import type { Terminal } from '../../src/cli/password-input.ts'
import { readPassword } from '../../src/cli/password-input.ts'

/** A terminal on which these keys are pressed, each answer when it is asked for. */
function terminal(...answers: string[]) {
  const raw: boolean[] = []
  const stdin = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: (mode: boolean) => void raw.push(mode),
  })
  let shown = ''
  const stderr = new PassThrough({ encoding: 'utf8' })
  stderr.on('data', (text: string) => {
    shown += text
    if (text.endsWith(': ')) setImmediate(() => stdin.write(answers.shift() ?? '\u0003'))
  })
  return { raw, shown: () => shown, terminal: { stdin, stderr } as unknown as Terminal }
}

t.test('on a terminal it is typed unseen, twice, and can be mended', async (t) => {
  const { terminal: given, shown, raw } = terminal('wrong\u0015pä ss\u007fs wörd\r', 'pä ss wörd\n')
  t.equal(await readPassword(given), 'pä ss wörd')
  t.equal(shown(), 'Password: \nOnce more: \n')
  t.strictSame(raw, [true, false, true, false], 'the terminal is given back as it was')
})

t.test('two that differ, none at all, and Ctrl-C change nothing', async (t) => {
  await t.rejects(readPassword(terminal('one\r', 'two\r').terminal), {
    exitCode: 65,
    message: /not the same/,
  })
  await t.rejects(readPassword(terminal('\r').terminal), { exitCode: 65, message: /Nothing was typed/ })
  const { terminal: given, raw } = terminal('one\u0003')
  await t.rejects(readPassword(given), { exitCode: 130, message: /Stopped/ })
  t.strictSame(raw, [true, false])
})
