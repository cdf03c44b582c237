import { Client } from 'pg'
import { socketByName } from './name-lookup.ts'

/** A way for replicas to tell each other, through the database, that there is something new to read there. */
export interface Notices {
  /** Whether this replica would hear now. */
  readonly isListening: boolean
  /** Tells the others, a moment later where one was just told: what is told twice in that time is told once. */
  tell(): void
  close(): Promise<void>
}

export interface NoticesOptions {
  readonly url: string
  readonly channel: string
  /** Somebody else told something, or may have done so while nobody listened here: go and read. */
  readonly onNotice: () => void
  /** Why there is nobody listening, once for each time it stops. */
  readonly onSilence: (reason: string) => void
  /** By a connection of the pool, where none listens. */
  readonly tellByPool: (statement: string) => Promise<unknown>
  /** From 0 up to 1. */
  readonly random: () => number
}

/**
 * A commit with NOTIFY holds a lock of the whole cluster until its log is written, so that in a storm they would go
 * one at a time: revocations never carry one, and those of a moment share one of their own, sent after them.
 */
const TELL_EVERY_MS = 50
const RECONNECT_FIRST_MS = 100
const RECONNECT_LAST_MS = 2000
/** Where LISTEN is not to be had it is asked for again, for a pooler may be taken away. */
const REFUSED_MS = 60_000
/** A connection that a firewall has forgotten looks alive until something is sent. */
const PROBE_MS = 15_000
/** A database that hangs does not say goodbye. */
const CLOSE_WITHIN_MS = 500

/** Listens by a connection of its own, which is opened again whenever it breaks. */
export function openNotices(options: NoticesOptions): Notices {
  const statement = `NOTIFY ${options.channel}`
  let client: Client | undefined
  let closed = false
  let isSilent = false
  let waitMs = RECONNECT_FIRST_MS
  let timer: NodeJS.Timeout | undefined
  let probing: NodeJS.Timeout | undefined
  let connecting: Promise<void> = connect()

  async function connect(): Promise<void> {
    const fresh = new Client({
      connectionString: options.url,
      connectionTimeoutMillis: 2000,
      query_timeout: 2000,
      keepAlive: true,
      stream: socketByName,
      application_name: 'keyturn listener',
    })
    let isOver = false
    const over = (reason: string, delayMs: number): void => {
      if (isOver) return
      isOver = true
      clearInterval(probing)
      if (client === fresh) client = undefined
      fresh.end().catch(() => undefined)
      if (closed) return
      if (!isSilent) options.onSilence(reason)
      isSilent = true
      waitMs = Math.min(waitMs * 2, RECONNECT_LAST_MS)
      timer = setTimeout(() => (connecting = connect()), delayMs * (1 + options.random())).unref()
    }
    fresh.on('error', () => over('the connection broke', waitMs))
    fresh.on('end', () => over('the connection ended', waitMs))
    fresh.on('notification', ({ processId }) => {
      if (processId !== backendOf(fresh)) options.onNotice()
    })
    try {
      await fresh.connect()
      if (await isPooled(fresh)) return over('a pooler stands between', REFUSED_MS)
      await fresh.query(`LISTEN ${options.channel}`)
    } catch (error) {
      const isRefused = error instanceof Error && 'severity' in error && !isGoingAway(error)
      return over(isRefused ? 'LISTEN was refused' : 'no connection', isRefused ? REFUSED_MS : waitMs)
    }
    if (isOver || closed) return over('it was closed', 0)
    client = fresh
    isSilent = false
    waitMs = RECONNECT_FIRST_MS
    probing = setInterval(
      () => fresh.query('SELECT 1').catch(() => over('no answer', waitMs)),
      PROBE_MS,
    ).unref()
    options.onNotice()
  }

  let telling = false
  let toldAgain = false
  async function tell(): Promise<void> {
    toldAgain = telling
    if (telling) return
    telling = true
    // Whoever does not hear of it reads within a second all the same.
    await (client?.query(statement) ?? options.tellByPool(statement)).catch(() => undefined)
    setTimeout(() => {
      telling = false
      if (toldAgain && !closed) void tell()
    }, TELL_EVERY_MS).unref()
  }

  return {
    get isListening() {
      return client !== undefined
    },
    tell: () => void tell(),
    async close() {
      closed = true
      clearTimeout(timer)
      clearInterval(probing)
      const ended = connecting.then(() => client?.end()).catch(() => undefined)
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, CLOSE_WITHIN_MS))])
    },
  }
}

/** Behind a pooler the next statement may go to another backend, and what this one hears to another client. */
async function isPooled(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  return rows[0]?.pid !== backendOf(client)
}

/** The backend that the server named when the connection was opened; a pooler names something of its own. */
function backendOf(client: Client): unknown {
  return 'processID' in client ? client.processID : undefined
}

/** A server that starts, stops or is full: it may listen soon. */
function isGoingAway(error: Error): boolean {
  return 'code' in error && typeof error.code === 'string' && /^(?:57P|53|08|3D)/.test(error.code)
}
