import type { Socket } from 'node:net'
import { connect } from 'node:net'

export interface HttpAnswer {
  readonly status: number
  /** Head of the answer, as it came. */
  readonly head: string
  /** Empty where the connection was cut before it was read. */
  readonly body: string
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  /** Cuts the connection as soon as the status is there, and reads no further. */
  readonly isCut?: boolean
}

export interface Connections {
  /** `undefined` where the connection could not be made or broke. @throws Error after minutes of silence */
  ask(request: HttpRequest): Promise<HttpAnswer | undefined>
  close(): void
}

/** Beyond any timeout of the server: a request that is given up may still be served when virtual time has gone on. */
const PATIENCE_MS = 180_000

/**
 * HTTP/1.1 to one address, as cheap as Node allows: a million requests are to leave the cores to the server. At most
 * so many keep-alive connections, one request at a time on each; whoever finds none free waits for one.
 */
export function connectionsTo(port: number, most: number): Connections {
  const free: Socket[] = []
  const all = new Set<Socket>()
  const queue: (() => void)[] = []
  let isClosed = false

  function next(): void {
    queue.shift()?.()
  }

  async function place(): Promise<void> {
    while (free.length === 0 && all.size >= most && !isClosed)
      await new Promise<void>((resolve) => queue.push(resolve))
  }

  function open(): Socket {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    all.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => {
      all.delete(socket)
      const index = free.indexOf(socket)
      if (index !== -1) free.splice(index, 1)
      next()
    })
    return socket
  }

  return {
    async ask(request) {
      await place()
      if (isClosed) return undefined
      const socket = free.pop() ?? open()
      const answer = await converse(socket, request)
      const isOver = answer === undefined || request.isCut || /\r\nconnection: close/i.test(answer.head)
      if (isOver) socket.destroy()
      else if (!socket.destroyed) free.push(socket)
      next()
      return answer
    },
    close() {
      isClosed = true
      for (const socket of all) socket.destroy()
      while (queue.length > 0) next()
    },
  }
}

function converse(socket: Socket, request: HttpRequest): Promise<HttpAnswer | undefined> {
  return new Promise((resolve, reject) => {
    let text = ''
    const end = (answer: HttpAnswer | undefined) => {
      clearTimeout(impatient)
      socket.off('data', heard)
      socket.off('close', silence)
      resolve(answer)
    }
    const silence = () => end(undefined)
    const heard = (bytes: Buffer) => {
      text += bytes.toString('latin1')
      const answer = request.isCut ? startOf(text) : wholeOf(text)
      if (answer !== undefined) end(answer)
    }
    const impatient = setTimeout(() => reject(new Error('the server is silent')), PATIENCE_MS)
    socket.on('data', heard)
    socket.on('close', silence)
    socket.write(textOf(request))
  })
}

function textOf({ method, path, headers, body = '' }: HttpRequest): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const length = method === 'GET' ? '' : `content-length: ${Buffer.byteLength(body)}\r\n`
  return `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${lines.join('')}${length}\r\n${body}`
}

function startOf(text: string): HttpAnswer | undefined {
  return text.length < 12 ? undefined : { status: Number(text.slice(9, 12)), head: '', body: '' }
}

function wholeOf(text: string): HttpAnswer | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const head = text.slice(0, end)
  const body = text.slice(end + 4)
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
  if (body.length < length) return undefined
  return { status: Number(text.slice(9, 12)), head, body }
}
