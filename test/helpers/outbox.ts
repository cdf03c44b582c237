import type { AuthNeeds } from '../../src/core/auth.ts'
import type {
  Account,
  Caller,
  LetterFacts,
  LetterKind,
  NewAccount,
  PasswordHash,
} from '../../src/core/ports.ts'
import { createServerKeys } from '../../src/core/server-keys.ts'
import { letterCounter } from '../../src/core/verify-email.ts'
import { createSmtpMailer } from '../../src/mail/mailer.ts'
import type { OutboxOptions, OutboxTiming, RunningOutbox } from '../../src/mail/outbox.ts'
import { startOutbox } from '../../src/mail/outbox.ts'
import { openDatabase } from '../../src/store/database.ts'
import { createOutboxStore } from '../../src/store/outbox.ts'
import { createStore } from '../../src/store/store.ts'
import type { Teardown } from './postgres.ts'
import { createTestDatabase } from './postgres.ts'
import { createSmtpServer } from './smtp.ts'
import { until } from './until.ts'

export const FROM = 'Example <no-reply@auth.example.com>'
export const LINKS = {
  verifyUrl: 'https://auth.example.com/verify-email?from=letter',
  resetUrl: 'https://auth.example.com/reset',
  changeEmailUrl: 'https://auth.example.com/confirm-email',
  undoEmailUrl: 'https://auth.example.com/undo-email',
  requestResetUrl: 'https://auth.example.com/request-reset',
}
export const caller: Caller = {
  ip: '192.0.2.1',
  userAgent: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0',
}
export const keys = createServerKeys([{ kid: 'a', secret: Buffer.alloc(32, 1) }])
const quick: OutboxTiming = {
  leaseSeconds: 30,
  sendSeconds: 10,
  retrySeconds: [0.05],
  pollSeconds: 0.02,
  idleSeconds: 0.2,
  stopSeconds: 2,
}

export interface OutboxRow {
  readonly id: string
  readonly attempts: number
  readonly sent_at: Date | null
  readonly failed_at: Date | null
  readonly last_error: string | null
  readonly kind: LetterKind
  readonly facts: LetterFacts | null
}

export interface LogLine {
  readonly message: string
  readonly reason?: string
  readonly retryInSeconds?: number
}

/** A database, a mail server, and workers between them that are stopped in the end. */
export async function outboxWorld(t: Teardown) {
  const { url, pool } = await createTestDatabase(t)
  const database = openDatabase({ url, poolMax: 8, onIdleError: () => {} })
  t.teardown(() => database.close())
  const smtp = await createSmtpServer(t)
  const store = createStore(database, 3600)
  const outbox = createOutboxStore(database)
  const logged: LogLine[] = []
  const write = (fields: object, message: string) => {
    logged.push({ ...fields, message })
  }
  // The verbs at hand need no more than this of all that the others do.
  const needs = { keys, ...store, outbox: { wake() {} }, revoked: { add() {} } } as unknown as AuthNeeds

  return {
    url,
    pool,
    store,
    database,
    smtp,
    outbox,
    logged,
    needs,
    find: async (id: number) => (await store.accounts.findForLink(id))?.account,
    /** What the operator sees. */
    state: () => outbox.outboxState(),

    async start(
      timing: Partial<OutboxTiming> = {},
      parts: Partial<OutboxOptions> = {},
    ): Promise<RunningOutbox> {
      const ours = createSmtpMailer({ url: smtp.url, from: FROM, requireTls: false })
      const worker = startOutbox({
        store: outbox,
        mailer: ours,
        keys,
        links: LINKS,
        log: { info: write, warn: write, error: write },
        timing: { ...quick, ...timing },
        ...parts,
      })
      t.teardown(async () => {
        await worker.stop()
        ours.close()
      })
      return worker
    },

    async signUp(username: string, email = `${username}@example.com`): Promise<Account> {
      const emailKey = email.toLowerCase()
      const account: NewAccount = {
        username,
        usernameKey: username,
        email,
        emailKey,
        emailVerified: false,
        activated: false,
        passwordHash: 'none$' as PasswordHash,
        firstName: '',
        lastName: '',
        profile: {},
      }
      const created = await store.accounts.create(account, letterCounter(keys, emailKey), caller)
      if (typeof created === 'string') throw new Error(created)
      return created
    },

    async rows(): Promise<OutboxRow[]> {
      return (await pool.query<OutboxRow>('SELECT * FROM outbox ORDER BY id')).rows
    },

    async until(holds: () => Promise<boolean>): Promise<void> {
      await until('the outbox has come so far', holds)
    },
  }
}

/** The first link of a letter. */
export function linkOf(text: string | undefined): string {
  return /https:\S+?(?=["<\s])/.exec(text ?? '')?.[0] ?? 'no link'
}

/** Something to wait for, and what opens it. */
export function latch() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open: () => open() }
}
