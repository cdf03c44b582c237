import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import type { Teardown } from './postgres.ts'

/** The way to a database, which the test can bar, slow down and break. */
export interface Gate {
  /** Of the same database, through the gate. */
  readonly url: string
  /** Ends every connection and refuses new ones, as a database that is away does. */
  shut(): void
  /** Takes connections and holds all bytes back, in either direction, until it is opened: a network that is cut. */
  hang(): void
  open(): void
  /** From now on the way leads to another database. */
  leadTo(databaseUrl: string): void
  /** From now on bytes take so long, each way; milliseconds. */
  delay(ms: number): void
  /** Ends every connection by RST, as a firewall that has forgotten them. */
  reset(): void
  /** Sends FIN to every client and leaves the other half open. */
  halfClose(): void
  /** Asked of whatever a client sends: cut its connection before the database has that, or before the client has the answer? */
  cutAt(choose: ((sent: Buffer) => 'before' | 'after' | undefined) | undefined): void
}

/** What becomes of the bytes on their way. */
export interface GateOptions {
  readonly toDatabase?: (bytes: Buffer) => Buffer
  readonly toClient?: (bytes: Buffer) => Buffer
}

/** A gate before the database, on a TCP port of 127.0.0.1. */
export async function gateTo(t: Teardown, databaseUrl: string, options: GateOptions = {}): Promise<Gate> {
  const { toDatabase = (bytes) => bytes, toClient = (bytes) => bytes } = options
  const target = new URL(databaseUrl)
  let way = wayTo(databaseUrl)
  let state: 'open' | 'shut' | 'hanging' = 'open'
  let delayMs = 0
  let choose: Parameters<Gate['cutAt']>[0]
  const pairs = new Set<{ readonly client: Socket; readonly database: Socket }>()

  const server = createServer((client) => {
    if (state === 'shut') return void client.destroy()
    const { host, port } = way
    const database = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host)
    const pair = { client, database }
    let losesAnswer = false
    const cut = () => {
      client.destroy()
      database.destroy()
    }
    const pass = (from: Socket, to: Socket, change: (bytes: Buffer) => Buffer) => {
      let arrives = 0
      /** In the order in which it was sent, also where the delay has changed meanwhile. */
      const inTime = (act: () => void) => {
        arrives = Math.max(arrives, performance.now() + delayMs)
        const wait = arrives - performance.now()
        if (wait > 0) setTimeout(act, wait)
        else act()
      }
      from.on('error', () => undefined)
      from.on('close', () => {
        pairs.delete(pair)
        inTime(() => to.end())
      })
      from.on('data', (bytes) => inTime(() => to.destroyed || to.write(change(bytes))))
      if (state === 'hanging') from.pause()
    }
    pairs.add(pair)
    client.on('data', (bytes) => {
      const when = choose?.(bytes)
      if (when === 'before') cut()
      else losesAnswer ||= when === 'after'
    })
    database.on('data', () => losesAnswer && cut())
    pass(client, database, toDatabase)
    pass(database, client, toClient)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const each = (act: (pair: { client: Socket; database: Socket }) => void) => [...pairs].forEach(act)
  const destroy = ({ client, database }: { client: Socket; database: Socket }) => {
    client.destroy()
    database.destroy()
  }
  t.teardown(() => {
    server.close()
    each(destroy)
  })

  const url = new URL('postgres://127.0.0.1')
  url.port = String((server.address() as AddressInfo).port)
  url.pathname = target.pathname
  url.username = target.searchParams.get('user') ?? target.username
  url.password = target.password
  url.searchParams.set('sslmode', 'disable')
  return {
    url: url.href,
    shut() {
      state = 'shut'
      each(destroy)
    },
    hang() {
      state = 'hanging'
      each(({ client, database }) => {
        client.pause()
        database.pause()
      })
    },
    open() {
      state = 'open'
      each(({ client, database }) => {
        client.resume()
        database.resume()
      })
    },
    leadTo(otherUrl) {
      way = wayTo(otherUrl)
    },
    delay(ms) {
      delayMs = ms
    },
    reset: () => each(({ client }) => client.resetAndDestroy()),
    halfClose: () => each(({ client }) => client.end()),
    cutAt(asked) {
      choose = asked
    },
  }
}

function wayTo(databaseUrl: string): { host: string; port: number } {
  const { searchParams, hostname, port } = new URL(databaseUrl)
  return {
    host: searchParams.get('host') ?? hostname,
    port: Number(searchParams.get('port') ?? port) || 5432,
  }
}
