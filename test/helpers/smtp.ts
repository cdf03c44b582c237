import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Email } from 'postal-mime'
import PostalMime from 'postal-mime'
import type { SMTPServerOptions } from 'smtp-server'
import { SMTPServer } from 'smtp-server'
import type { Teardown } from './postgres.ts'
import { until } from './until.ts'

/** A mail as the server accepted it: where the envelope sent it, and what it says. */
export interface ReceivedMail extends Email {
  readonly recipients: readonly string[]
  readonly isEncrypted: boolean
}

/** What the server says next, to the recipient and to the message; 250 where nothing is left to say. */
export interface SmtpScript {
  readonly recipient: number[]
  /**
   * `cut` ends the connection when the message has come, without a word; `stall` leaves it open and never says one.
   * With `accept and` the server keeps the message all the same.
   */
  readonly message: (number | 'cut' | 'stall' | 'accept and cut' | 'accept and stall')[]
}

export interface SmtpTestServer {
  readonly url: string
  readonly mails: ReceivedMail[]
  readonly script: SmtpScript
  /** Letters that the server was offered, whatever it said to them. */
  readonly attempts: number
  /** Connections that were made to it, ever. */
  readonly connections: number
  /** Messages that it has read to their end and says nothing about. */
  readonly stalled: number
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
  let attempts = 0
  let connections = 0
  let stalled = 0
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
      onConnect(_session, done) {
        connections += 1
        done()
      },
      onRcptTo(_address, _session, done) {
        attempts += 1
        done(refusal(script.recipient.shift() ?? 250))
      },
      async onData(stream, session, done) {
        const chunks: Buffer[] = []
        try {
          for await (const chunk of stream) chunks.push(chunk)
        } catch {
          // The client left in the middle of its message.
          return
        }
        const answer = script.message.shift() ?? 250
        if (answer === 250 || answer === 'accept and cut' || answer === 'accept and stall') {
          const recipients = session.envelope.rcptTo.map(({ address }) => address)
          mails.push({
            ...(await PostalMime.parse(Buffer.concat(chunks))),
            recipients,
            isEncrypted: session.secure,
          })
        }
        if (typeof answer === 'number') return done(refusal(answer))
        if (answer === 'stall' || answer === 'accept and stall') {
          stalled += 1
          return
        }
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
    get connections() {
      return connections
    },
    get stalled() {
      return stalled
    },
    async received(count) {
      await until(`${count} letters have arrived`, () => mails.length >= count)
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
