import { isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { Type } from 'typebox'
import { mailboxPage } from '../pages/mailbox.ts'
import type { Manner } from './endpoint.ts'
import { action, endpoint } from './endpoint.ts'
import { refusal } from './refusal.ts'

export interface DevMailboxPluginOptions {
  readonly manner: Manner
}

const Query = Type.Object({ to: Type.Optional(Type.String({ maxLength: 320, pattern: '^[^\\u0000]*$' })) })

const Messages = Type.Object({
  messages: Type.Array(
    Type.Object({
      id: Type.String(),
      to: Type.String(),
      subject: Type.String(),
      text: Type.String(),
      html: Type.String(),
      links: Type.Array(Type.String()),
      sent_at: Type.String({ format: 'date-time' }),
    }),
  ),
})

/**
 * Letters to read instead of to send, for whoever develops on this machine. Whoever could read them could take
 * over any account, so only a direct call from this very machine is let in: no proxy, no other name, which a page
 * of a stranger could have made to point here (DNS rebinding).
 */
export const devMailboxPlugin = fp<DevMailboxPluginOptions>(
  async (app, { manner }) => {
    const find = async (to: string | undefined) => (await app.mailbox?.list(to)) ?? []
    const json = action({
      guard: 'open',
      summary: 'Letters that would have been sent, newest first. Only in development.',
      query: Query,
      answers: { 200: Messages },
      async handle(request, reply) {
        if (!isLocal(request)) return manner.refuse(refusal('not_found'), request, reply)
        const messages = await find(request.query.to)
        reply.header('cache-control', 'no-store')
        return {
          messages: messages.map(({ sentAt, ...message }) => ({
            ...message,
            sent_at: new Date(sentAt).toISOString(),
          })),
        }
      },
    })
    const page = action({
      guard: 'open',
      summary: 'The same to read.',
      query: Query,
      answers: {},
      hidden: true,
      async handle(request, reply) {
        if (!isLocal(request)) return manner.refuse(refusal('not_found'), request, reply)
        return reply.sendPage(mailboxPage(await find(request.query.to), request.query.to))
      },
    })
    endpoint(app, manner, '/dev/mailbox', 'Mailbox', { GET: page })
    endpoint(app, manner, '/dev/mailbox.json', 'Mailbox', { GET: json })
  },
  { name: 'dev-mailbox', dependencies: ['mail', 'guards', 'pages'] },
)

/** What proxies add, by whatever name: a call that brings one of these came from elsewhere. */
const FORWARDING_HEADER =
  /^(?:forwarded|via|x-forwarded|x-real-ip|x-client-ip|x-original|x-cluster|true-client|cf-)/

function isLocal({ socket, headers }: FastifyRequest): boolean {
  const peer = socket.remoteAddress?.replace(/^::ffff:/, '') ?? ''
  const hostname = URL.canParse(`http://${headers.host}`) ? new URL(`http://${headers.host}`).hostname : ''
  return (
    isLoopback(peer) &&
    isLoopback(hostname) &&
    !Object.keys(headers).some((name) => FORWARDING_HEADER.test(name))
  )
}

function isLoopback(host: string): boolean {
  const plain = host.replace(/^\[|\]$/g, '')
  return plain === 'localhost' || plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'))
}
