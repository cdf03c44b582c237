import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { WireError } from './refusal.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly serviceClients: ServiceClients
  }
}

/** Services that may ask about tokens, and follow what is revoked. */
export interface ServiceClients {
  /** Whether there is any: without one nobody can pass. */
  readonly exist: boolean
  /**
   * Lets through who sends the credentials of one, by HTTP Basic (RFC 7617).
   * @throws WireError `invalid_client`
   */
  check(request: FastifyRequest): void
}

export interface ServiceClientsPluginOptions {
  /** SERVICE_CLIENTS. */
  readonly clients: readonly { readonly id: string; readonly secret: string }[]
}

const BASIC = /^basic +([A-Za-z0-9+/_-]{1,1024}={0,2}) *$/i

/** SERVICE_CLIENTS, kept as digests of one length: which of them, and how much of it, was nearly right takes no time. */
export const serviceClientsPlugin = fp<ServiceClientsPluginOptions>(
  async (app, { clients }) => {
    const digests = clients.map(({ id, secret }) => digest(`${id}:${secret}`))
    app.decorate('serviceClients', {
      exist: clients.length > 0,
      check({ headers }) {
        const encoded = BASIC.exec(headers.authorization ?? '')?.[1]
        if (encoded === undefined) throw new WireError('invalid_client')
        const sent = digest(formDecoded(Buffer.from(encoded, 'base64').toString('utf8')))
        const matches = digests.filter((each) => timingSafeEqual(each, sent))
        if (matches.length === 0) throw new WireError('invalid_client')
      },
    } satisfies ServiceClients)
  },
  { name: 'service-clients' },
)

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** RFC 6749, 2.3.1: some clients encode both halves first. Neither half has a character that this would change. */
function formDecoded(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
}
