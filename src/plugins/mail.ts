import { isIPv4 } from 'node:net'
import fp from 'fastify-plugin'
import type { MailboxStore, Outbox } from '../core/ports.ts'
import type { ServerKeys } from '../core/server-keys.ts'
import { createMailboxMailer, createSmtpMailer } from '../mail/mailer.ts'
import type { CountedOutcome, OutboxTiming, RunningOutbox } from '../mail/outbox.ts'
import { startOutbox } from '../mail/outbox.ts'
import { readTemplates } from '../mail/read-templates.ts'
import type { MailLinks } from '../mail/write-letter.ts'
import { withStoreFailures } from '../store/failure.ts'
import { createMailboxStore } from '../store/mailbox.ts'
import { createOutboxStore } from '../store/outbox.ts'
import { createCounter } from './metric-kinds.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly outbox: Outbox
    /** Where letters go instead of by SMTP; `undefined` where there is an SMTP_URL. */
    readonly mailbox: MailboxStore | undefined
  }
}

export interface MailPluginOptions {
  /** Unset: letters stay in the mailbox, which only development may ask for. */
  readonly smtpUrl: string | undefined
  readonly requireTls: boolean
  /** MAIL_FROM. */
  readonly from: string
  readonly links: MailLinks
  /** MAIL_TEMPLATES_DIR. */
  readonly templatesDir: string | undefined
  readonly keys: ServerKeys
  readonly timing?: Partial<OutboxTiming>
}

/** The outbox worker, from the moment the service is ready until it closes, and the way its letters take. */
export const mailPlugin = fp<MailPluginOptions>(
  async (app, { smtpUrl, requireTls, from, links, templatesDir, keys, timing = {} }) => {
    const templates = await readTemplates(templatesDir)
    const mailbox = withStoreFailures(createMailboxStore(app.database))
    const mailer =
      smtpUrl === undefined
        ? createMailboxMailer(mailbox)
        : createSmtpMailer({ url: smtpUrl, from, requireTls })
    const store = withStoreFailures(createOutboxStore(app.database))
    const attempts = app.metrics.add(
      createCounter(
        'keyturn_letters_total',
        'Attempts to send a letter, by outcome: failed is tried again, given_up is not.',
        (['sent', 'failed', 'given_up', 'dropped'] satisfies CountedOutcome[]).map((outcome) => ({
          outcome,
        })),
      ),
    )
    const count = (outcome: CountedOutcome) => attempts.of({ outcome }).add()
    let worker: RunningOutbox | undefined

    app.decorate('mailbox', smtpUrl === undefined ? mailbox : undefined)
    app.decorate('outbox', { wake: () => worker?.wake() } satisfies Outbox)
    app.metrics.addSource(async () => {
      const { waiting, oldestSeconds, failed } = await store.outboxState()
      return [
        '# HELP keyturn_outbox_letters Letters of all replicas that are not sent, by state: waiting, or failed for good.',
        '# TYPE keyturn_outbox_letters gauge',
        `keyturn_outbox_letters{state="waiting"} ${waiting}`,
        `keyturn_outbox_letters{state="failed"} ${failed}`,
        '# HELP keyturn_outbox_oldest_seconds How long the oldest letter that waits has waited.',
        '# TYPE keyturn_outbox_oldest_seconds gauge',
        `keyturn_outbox_oldest_seconds ${oldestSeconds}`,
      ]
    })
    app.addHook('onReady', async () => {
      worker = startOutbox({ store, mailer, keys, links, templates, log: app.log, count, timing })
    })
    app.addHook('onClose', async () => {
      await worker?.stop()
      mailer.close()
    })
  },
  { name: 'mail', dependencies: ['database', 'metrics'] },
)

/** What the configuration says about where letters go. */
export interface MailboxSettings {
  readonly nodeEnv: string
  readonly smtpUrl: string | undefined
  readonly host: string
}

/** Whether letters may be read at `/dev/mailbox`: nowhere but on the developer's own machine. */
export function opensMailbox({ nodeEnv, smtpUrl, host }: MailboxSettings): boolean {
  const isLoopback = host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
  return nodeEnv !== 'production' && smtpUrl === undefined && isLoopback
}
