import { createTransport } from 'nodemailer'
import { parseConnectionUrl } from 'nodemailer/lib/shared'
import type { SMTPPoolOptions } from 'nodemailer/lib/smtp-pool'
import type { MailboxStore } from '../core/ports.ts'
import type { Letter } from './letters.ts'
import { toMailError } from './mail-error.ts'
import { parseSender } from './sender.ts'

/** A letter on its way to one address. */
export interface Message extends Letter {
  /** Of its outbox row: a letter that goes out twice has the same Message-ID, and mail programs show it once. */
  readonly id: string
  readonly to: string
  /** Milliseconds since 1970. */
  readonly writtenAt: number
}

export interface Mailer {
  /**
   * Resolves once somebody else is responsible for the message.
   * @throws MailError; also when `signal` ended the wait, and then nobody knows whether the message went out
   */
  send(message: Message, signal?: AbortSignal): Promise<void>
  /** Ends open connections. */
  close(): void
}

export interface SmtpMailerOptions {
  /** `smtp://` or `smtps://`, as nodemailer reads it. */
  readonly url: string
  /** `a@b` or `Name <a@b>`, as the configuration has checked it. */
  readonly from: string
  /** With `smtp://`, send nothing in the clear: STARTTLS or no letter. */
  readonly requireTls: boolean
}

/** How many letters are on the wire at the same time. */
export const SMTP_CONNECTIONS = 2

/** Sends over real SMTP, by few connections that stay open while there is something to send. */
export function createSmtpMailer({ url, from, requireTls }: SmtpMailerOptions): Mailer {
  const sender = parseSender(from)
  // Our options come last: with `url` as an option, its query could turn off TLS or have every letter logged.
  const transport = createTransport({ ...parseConnectionUrl(url), ...OPTIONS, requireTLS: requireTls })
  return {
    async send(message, signal) {
      try {
        await transport.sendMail({
          from: sender,
          // An object, for a string is read as a list of addresses.
          to: { name: '', address: message.to },
          subject: message.subject,
          text: message.text,
          html: message.html,
          messageId: `<${message.id}@${sender.address.split('@').at(-1)}>`,
          date: new Date(message.writtenAt),
          // RFC 3834, and what Exchange understands instead: no answer from an absent colleague.
          headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
          xMailer: false,
          maxRecipients: 1,
          ...(signal === undefined ? {} : { signal }),
        })
      } catch (error) {
        throw toMailError(error)
      }
    },
    close: () => transport.close(),
  }
}

/** Keeps letters where the developer can read them. */
export function createMailboxMailer(mailbox: MailboxStore): Mailer {
  return {
    async send({ id, to, subject, text, html, links }) {
      await mailbox.add({ id, to, subject, text, html, links })
    },
    close() {},
  }
}

/** Nodemailer waits two minutes for a connection and ten for a word, reads files, and opens URLs, unless told otherwise. */
const OPTIONS = {
  pool: true,
  maxConnections: SMTP_CONNECTIONS,
  // Once, and only where not a byte of the letter was sent: a connection that the server had closed meanwhile.
  maxRequeues: 1,
  idleTimeout: 30_000,
  dnsTimeout: 5000,
  connectionTimeout: 5000,
  greetingTimeout: 5000,
  socketTimeout: 15_000,
  disableFileAccess: true,
  disableUrlAccess: true,
  logger: false,
  debug: false,
  transactionLog: false,
} as const satisfies SMTPPoolOptions
