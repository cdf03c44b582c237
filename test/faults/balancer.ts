import { once } from 'node:events'
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * A load balancer as one finds it before replicas: it asks /health/ready, sends requests in turn to whoever is ready, and
 * tries another replica where no connection came about, or where nothing can happen twice. When nobody is ready it
 * sends them to whoever lives, for a status check needs no database ("fail open", as Envoy and the ALB of AWS do).
 */
export interface Balancer {
  readonly url: string
  /** How many replicas are ready by its last look. */
  readonly ready: number
  /** Ports of replicas, also of those that are away. */
  use(ports: readonly number[]): void
  close(): Promise<void>
}

interface Upstream {
  readonly port: number
  state: 'ready' | 'unready' | 'gone'
}

const LOOK_EVERY_MS = 250
const LOOK_WITHIN_MS = 1000
/** By which a client knows that no replica gave this answer. */
export const NO_ANSWER_HEADER = 'x-no-answer'

export async function createBalancer(): Promise<Balancer> {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  let upstreams: Upstream[] = []
  let turn = 0

  async function look(upstream: Upstream): Promise<void> {
    const { port } = upstream
    try {
      const patience = AbortSignal.timeout(LOOK_WITHIN_MS)
      const { status } = await fetch(`http://127.0.0.1:${port}/health/ready`, { signal: patience })
      upstream.state = status === 200 ? 'ready' : 'unready'
    } catch (error) {
      upstream.state = error instanceof Error && error.name === 'TimeoutError' ? 'unready' : 'gone'
    }
  }

  function inOrder(): Upstream[] {
    turn += 1
    const rotated = upstreams.map((_, index) => upstreams[(index + turn) % upstreams.length])
    return ['ready', 'unready', 'gone'].flatMap((state) =>
      rotated.filter((upstream) => upstream?.state === state),
    ) as Upstream[]
  }

  function forward(incoming: IncomingMessage, outgoing: ServerResponse, body: Buffer): void {
    const candidates = inOrder()
    const next = () => {
      const upstream = candidates.shift()
      if (upstream === undefined)
        return void outgoing.writeHead(502, { [NO_ANSWER_HEADER]: 'no replica' }).end()
      const { method = 'GET', url = '/', headers } = incoming
      const asked: ClientRequest = request({
        ...{ agent, host: '127.0.0.1', port: upstream.port, method, path: url },
        headers: { ...headers, connection: 'keep-alive' },
      })
      asked.on('response', (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(outgoing)
        answer.on('error', () => outgoing.destroy())
      })
      asked.on('error', (error) => {
        if (outgoing.headersSent) return
        const isRefused = 'code' in error && error.code === 'ECONNREFUSED'
        if (isRefused) upstream.state = 'gone'
        if (isRefused || method === 'GET') next()
        else outgoing.writeHead(502, { [NO_ANSWER_HEADER]: 'lost' }).end()
      })
      asked.end(body)
    }
    next()
  }

  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk)
    forward(incoming, outgoing, Buffer.concat(chunks))
  })
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const looking = setInterval(() => {
    for (const upstream of upstreams) void look(upstream)
  }, LOOK_EVERY_MS)

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get ready() {
      return upstreams.filter(({ state }) => state === 'ready').length
    },
    use(ports) {
      upstreams = ports.map((port) => ({ port, state: 'gone' }))
    },
    async close() {
      clearInterval(looking)
      agent.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
