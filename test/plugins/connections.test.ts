import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import Fastify from 'fastify'
import type { Test } from 'tap'
import t from 'tap'
import { connectionsPlugin } from '../../src/plugins/connections.ts'
import { until } from '../helpers/until.ts'

/** A server with one slow route, and connections to it with all that came by them. */
async function startServer(t: Test, answerAfterMs = 0) {
  const app = Fastify({ forceCloseConnections: 'idle', return503OnClosing: false })
  t.teardown(() => app.close())
  await app.register(connectionsPlugin)
  app.get('/', async () => {
    await new Promise((resolve) => setTimeout(resolve, answerAfterMs))
    return 'an answer'
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  return {
    app,
    async open() {
      const socket = connect(port, '127.0.0.1')
      const arrived = once(app.server, 'connection')
      let received = ''
      socket.setEncoding('utf8').on('data', (text) => (received += text))
      socket.on('error', () => undefined)
      t.teardown(() => socket.destroy())
      await Promise.all([once(socket, 'connect'), arrived])
      return { socket, received: () => received }
    },
  }
}

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'

t.test('connections that bring no request are closed soon after the service', async (t) => {
  const { app, open } = await startServer(t)
  const [silent, halfway, keptAlive] = [await open(), await open(), await open()]
  halfway.socket.write('GET / HTTP/1.1\r\nHost:')
  keptAlive.socket.write(GET)
  await once(keptAlive.socket, 'data')
  const began = performance.now()
  await app.close()
  t.ok(performance.now() - began < 3000)
  t.equal(silent.received() + halfway.received(), '')
})

t.test('a request that comes just after, by a connection that was there, is answered', async (t) => {
  const { app, open } = await startServer(t)
  const { socket, received } = await open()
  const closed = app.close()
  socket.write(GET)
  await once(socket, 'end')
  t.match(received(), /^HTTP\/1\.1 200 .*an answer$/s)
  await closed
})

t.test('a request is answered although it takes longer than others get to come forward', async (t) => {
  const { app, open } = await startServer(t, 1500)
  const [first, keptAlive] = [await open(), await open()]
  keptAlive.socket.write(GET)
  await once(keptAlive.socket, 'data')
  for (const { socket } of [first, keptAlive]) {
    const arrived = once(app.server, 'request')
    socket.write(GET)
    await arrived
  }
  const closed = app.close()
  await Promise.all([once(first.socket, 'data'), once(keptAlive.socket, 'data')])
  t.match(first.received(), /an answer$/)
  t.match(keptAlive.received(), /an answer.*an answer$/s)
  for (const { socket } of [first, keptAlive]) socket.destroy()
  await closed
})

t.test('whoever does not take an answer is let go, and whoever takes it slowly gets all of it', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(connectionsPlugin, { takenWithinMs: 400 })
  const large = 'x'.repeat(16_000_000)
  app.get('/', async () => large)
  app.get('/pieces', async (_request, reply) => reply.send(Readable.from(pieces())))
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo

  const [stuck, slow] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
  const accepted = new Promise<Socket>((resolve) => app.server.once('connection', resolve))
  stuck.on('error', () => undefined).pause()
  stuck.write(GET)
  await once(await accepted, 'close')

  slow.write(GET.replace('/ ', '/pieces ').replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
  let received = 0
  for await (const chunk of slow) received += chunk.length
  t.ok(received > 5_000_000, `${received} bytes over more than a second`)
})

t.test(
  'of many requests in one packet few are worked on at once, and who leaves keeps none open',
  async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(connectionsPlugin)
    const open = new Set<Readable>()
    let closed = 0
    let most = 0
    app.get('/', async (_request, reply) => {
      let pieces = 10
      const large = new Readable({
        read() {
          pieces -= 1
          this.push(pieces < 0 ? null : 'x'.repeat(10_000))
        },
      })
      open.add(large)
      most = Math.max(most, open.size)
      large.once('close', () => {
        open.delete(large)
        closed += 1
      })
      return reply.send(large)
    })
    await app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = app.server.address() as AddressInfo
    const [reader, leaver] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
    leaver.on('error', () => undefined).pause()
    leaver.write(GET.repeat(1000))
    reader.write(GET.repeat(99) + GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
    let received = 0
    for await (const chunk of reader) received += chunk.length
    t.ok(received > 100 * 100_000, 'whoever reads gets all of them')
    t.ok(most <= 16, `${most} at once, by two connections`)
    t.ok(open.size > 0, 'whoever does not has some that wait for him')
    leaver.destroy()
    await until('nobody waits', () => open.size === 0)
    t.ok(closed < 1000, 'and nobody has worked on the others')
  },
)

t.test(
  'a client that keeps its connection does not hold up the end of a service that answers it late',
  async (t) => {
    const { app, open } = await startServer(t, 1500)
    const { socket, received } = await open()
    const arrived = once(app.server, 'request')
    socket.write(GET)
    await arrived
    const ended = once(socket, 'end')
    await app.close()
    await ended
    t.match(received(), /^HTTP\/1\.1 200 .*an answer$/s)
  },
)

t.test(
  'whoever asks on and on while his requests wait is not read on from, and is answered then',
  async (t) => {
    const { app, port, socket, finish } = await startWithDoor(t)
    let asked = 0
    app.server.on('request', () => (asked += 1))
    socket.write(GET.repeat(50_000))
    await until('a thousand are read', () => asked > 1000)
    // Whatever is to be read has been read before an answer to another comes.
    for (let round = 0; round < 5; round += 1) await (await fetch(`http://127.0.0.1:${port}/open`)).text()
    const atFirst = asked
    t.ok(atFirst < 5000, `${atFirst} of 50,000 were read`)
    let received = ''
    socket.setEncoding('utf8').on('data', (text) => (received += text))
    finish()
    await once(socket, 'close')
    const answered = received.split('an answer').length - 1
    t.ok(
      answered > 100 && answered <= 1000,
      `${answered} were answered: those that waited, and no more than may be`,
    )
    t.ok(asked < 50_000, `${asked} of 50,000 were read`)
  },
)

t.test('many connections together do not have more than some thousand requests wait', async (t) => {
  const { app, port, finish } = await startWithDoor(t)
  const sockets = Array.from({ length: 10 }, () => connect(port, '127.0.0.1'))
  let gone = 0
  for (const socket of sockets) {
    socket.on('error', () => undefined).on('close', () => (gone += 1))
    socket.resume().write(GET.repeat(1500))
  }
  await until('two are hung up on', () => gone >= 2)
  const few = connect(port, '127.0.0.1')
  let received = ''
  few.setEncoding('utf8').on('data', (text) => (received += text))
  few.write(GET.repeat(50))
  const arrived = await once(app.server, 'request')
  t.ok(arrived)
  t.ok(gone < sockets.length, 'those that were there before stay')
  finish()
  await until('all fifty are answered', () => received.split('an answer').length - 1 === 50)
  for (const socket of [...sockets, few]) socket.destroy()
})

t.test('half a body does not hold up the end of a service', async (t) => {
  const app = Fastify({ forceCloseConnections: 'idle', return503OnClosing: false })
  await app.register(connectionsPlugin, { bodyWithinMs: 100 })
  app.post('/', async () => 'an answer')
  await app.listen({ host: '127.0.0.1', port: 0 })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  const arrived = once(app.server, 'request')
  socket.write(
    'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{',
  )
  await arrived
  let isHungUp = false
  socket.once('close', () => {
    isHungUp = true
  })
  const closed = app.close()
  t.ok(await until('it is hung up on', () => isHungUp, 3))
  socket.destroy()
  await closed
})

/** A server whose answers wait until they may be finished, and a connection to it. */
async function startWithDoor(t: Test) {
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(connectionsPlugin)
  let finish = (): void => undefined
  const door = new Promise<void>((resolve) => {
    finish = resolve
  })
  app.get('/', async () => {
    await door
    return 'an answer'
  })
  app.get('/open', async () => 'another')
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return { app, port, socket, finish: () => finish() }
}

/** A piece each fifth of a second. */
async function* pieces() {
  for (let piece = 0; piece < 6; piece += 1) {
    yield 'x'.repeat(1_000_000)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}
