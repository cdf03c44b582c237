import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'

/** A connection that sends bytes as they are. */
export async function connectTo(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  // Whoever is cut off in the middle of what he says is told so, and it is what the tests ask for.
  socket.on('error', () => undefined)
  return socket
}

/** Everything until the service hangs up. */
export async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  if (!socket.closed) await once(socket, 'close')
  return Buffer.concat(chunks).toString('latin1')
}

/** The statuses of the answers in it, one after another. */
export function statusesIn(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => Number(status))
}

/** Sends all requests at once by one connection, the last of which must ask for its end. */
export async function pipeline(url: string, requests: readonly string[]): Promise<number[]> {
  const socket = await connectTo(url)
  const text = readAll(socket)
  socket.write(requests.join(''))
  return statusesIn(await text)
}

/** A POST of JSON as it goes over the wire. */
export function rawPost(path: string, body: unknown, headers: readonly string[] = []): string {
  const text = JSON.stringify(body)
  return [
    `POST ${path} HTTP/1.1`,
    'Host: localhost',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(text)}`,
    ...headers,
    '',
    text,
  ].join('\r\n')
}
