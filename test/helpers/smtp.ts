import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Email } from 'postal-mime'
import PostalMime from 'postal-mime'
import type { SMTPServerOptions } from 'smtp-server'
import { SMTPServer } from 'smtp-server'
import type { Teardown } from './postgres.ts'

/** A mail as the server accepted it: where the envelope sent it, and what it says. */
export interface ReceivedMail extends Email {
  readonly recipients: readonly string[]
  readonly isEncrypted: boolean
}

/** What the server says next, to the recipient and to the message; 250 where nothing is left to say. */
export interface SmtpScript {
  readonly recipient: number[]
  /** `cut` ends the connection when the message has come, without a word; `accept and cut` keeps it all the same. */
  readonly message: (number | 'cut' | 'accept and cut')[]
}

export interface SmtpTestServer {
  readonly url: string
  readonly mails: ReceivedMail[]
  readonly script: SmtpScript
  /** Letters that the server was offered, whatever it said to them. */
  readonly attempts: number
  /** Resolves when so many mails have been accepted. */
  received(count: number): Promise<readonly ReceivedMail[]>
  /** Refuses connections from now on, and ends those that are open. */
  down(): Promise<void>
  /** Listens again, on the same port. */
  up(): Promise<void>
}

/** A real mail server on a free port of 127.0.0.1, which keeps what it gets. Without TLS unless it is asked for. */
export async function createSmtpServer(
  t: Teardown,
  options: SMTPServerOptions = {},
): Promise<SmtpTestServer> {
  const mails: ReceivedMail[] = []
  const script: SmtpScript = { recipient: [], message: [] }
  const arrivals = new Set<() => void>()
  let attempts = 0
  let port = 0
  let server = createServer()
  await listen()
  t.teardown(down)

  function createServer(): SMTPServer {
    const created: SMTPServer = new SMTPServer({
      disabledCommands: ['AUTH', 'STARTTLS'],
      disableReverseLookup: true,
      logger: false,
      closeTimeout: 1,
      ...options,
      onRcptTo(_address, _session, done) {
        attempts += 1
        done(refusal(script.recipient.shift() ?? 250))
      },
      async onData(stream, session, done) {
        const chunks: Buffer[] = []
        for await (const chunk of stream) chunks.push(chunk)
        const answer = script.message.shift() ?? 250
        if (answer === 250 || answer === 'accept and cut') {
          const recipients = session.envelope.rcptTo.map(({ address }) => address)
          mails.push({
            ...(await PostalMime.parse(Buffer.concat(chunks))),
            recipients,
            isEncrypted: session.secure,
          })
          for (const arrival of arrivals) arrival()
        }
        if (typeof answer === 'number') return done(refusal(answer))
        for (const connection of created.connections) connection._socket.destroy()
      },
    })
    created.on('error', () => {})
    return created
  }

  async function listen(): Promise<void> {
    server.listen(port, '127.0.0.1')
    await once(server.server, 'listening')
    port = (server.server.address() as AddressInfo).port
  }

  async function down(): Promise<void> {
    for (const connection of server.connections) connection._socket.destroy()
    await new Promise<void>((resolve) => server.close(resolve))
  }

  return {
    mails,
    script,
    get url() {
      return `smtp://127.0.0.1:${port}`
    },
    get attempts() {
      return attempts
    },
    async received(count) {
      while (mails.length < count) {
        await new Promise<void>((resolve) => {
          arrivals.add(resolve)
        })
      }
      return mails
    },
    down,
    async up() {
      server = createServer()
      await listen()
    },
  }
}

function refusal(code: number): (Error & { responseCode: number }) | null {
  if (code === 250) return null
  // As real servers do: the answer quotes the address, which no log of ours may repeat.
  return Object.assign(new Error('5.1.1 <ada@example.com> is not welcome'), { responseCode: code })
}
