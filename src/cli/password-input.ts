import { EXIT, Failed } from './failed.ts'

const INPUT_MAX = 8192

/** Where it is asked and answered. */
export interface Terminal {
  readonly stdin: NodeJS.ReadStream
  readonly stderr: NodeJS.WritableStream
}

/**
 * A password from the terminal, without showing it and asked for twice, or the first line of standard input. Never from
 * the command line, which every user of the machine can read.
 * @throws Failed when there is none, or the two are not the same
 */
export async function readPassword({ stdin, stderr }: Terminal = process): Promise<string> {
  if (!stdin.isTTY) return readFirstLine(stdin)
  const ask = (question: string) => askUnseen(question, stdin, stderr)
  const password = await ask('Password: ')
  if (password === '') throw new Failed(EXIT.data, 'Nothing was typed. Nothing is changed.')
  if ((await ask('Once more: ')) !== password)
    throw new Failed(EXIT.data, 'The two are not the same. Nothing is changed.')
  return password
}

async function readFirstLine(stdin: NodeJS.ReadStream): Promise<string> {
  let text = ''
  stdin.setEncoding('utf8')
  for await (const chunk of stdin) {
    text += chunk
    if (text.length > INPUT_MAX) break
  }
  const [line = ''] = text.split(/\r?\n/, 1)
  if (line === '') throw new Failed(EXIT.data, 'Give the password on standard input. Nothing is changed.')
  return line
}

/** One line that is typed unseen: raw, so that the terminal does not show it. */
async function askUnseen(
  question: string,
  stdin: NodeJS.ReadStream,
  stderr: NodeJS.WritableStream,
): Promise<string> {
  stderr.write(question)
  stdin.setRawMode(true)
  stdin.setEncoding('utf8')
  stdin.resume()
  let typed: string[] = []
  try {
    return await new Promise<string>((resolve, reject) => {
      const read = (text: string) => {
        for (const letter of text) {
          if (letter === '\r' || letter === '\n') {
            stdin.off('data', read)
            return resolve(typed.join(''))
          }
          if (letter === '\u0003' || letter === '\u0004') {
            stdin.off('data', read)
            return reject(new Failed(130, 'Stopped. Nothing is changed.'))
          }
          if (letter === '\u007f' || letter === '\b') typed.pop()
          else if (letter === '\u0015') typed = []
          else typed.push(letter)
        }
      }
      stdin.on('data', read)
    })
  } finally {
    stdin.setRawMode(false)
    stdin.pause()
    stderr.write('\n')
  }
}
