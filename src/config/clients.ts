import { Wrong } from './faults.ts'
import { readList } from './lists.ts'
import type { Parser } from './values.ts'

/**
 * A service of yours that may ask about tokens. The secret stands in a private field, so that neither
 * `JSON.stringify` nor `util.inspect` nor a logger can show it.
 */
export class ServiceClient {
  /** Public: it stands in logs. */
  readonly id: string
  readonly #secret: string

  constructor(id: string, secret: string) {
    this.id = id
    this.#secret = secret
  }

  get secret(): string {
    return this.#secret
  }
}

const SECRET_MIN_LENGTH = 32
const SECRET_MAX_LENGTH = 256

/**
 * `id:secret,…`, each id once. Of letters, digits and `. _ ~ -` only: those mean the same to a client that sends them
 * as they are and to one that encodes them first, as RFC 6749 §2.3.1 has it.
 */
export const serviceClients: Parser<readonly ServiceClient[]> = {
  expected: `id:secret (more after commas), each secret ${SECRET_MIN_LENGTH} characters or more, of letters, digits and . _ ~ -`,
  recipe:
    "make one with: node -p \"'reports:' + require('node:crypto').randomBytes(32).toString('base64url')\"",
  parse(text) {
    const clients = readList(text, serviceClient)
    if (clients instanceof Wrong) return clients
    if (new Set(clients.map(({ id }) => id)).size < clients.length) return new Wrong('names an id twice')
    if (new Set(clients.map(({ secret }) => secret)).size < clients.length)
      return new Wrong('gives two clients one secret')
    return clients
  },
}

function serviceClient(item: string): ServiceClient | Wrong {
  const [, id = '', secret = ''] = /^([^:]*):(.*)$/.exec(item) ?? []
  if (!item.includes(':')) return new Wrong('has no id')
  if (!/^[\w.~-]{1,64}$/.test(id)) return new Wrong('has an id that is not 1 to 64 of A-Z a-z 0-9 . _ ~ -')
  if (secret.length < SECRET_MIN_LENGTH) return new Wrong(`has a secret of ${secret.length} characters`)
  if (secret.length > SECRET_MAX_LENGTH) return new Wrong(`has a secret longer than ${SECRET_MAX_LENGTH}`)
  if (!/^[\w.~-]+$/.test(secret)) return new Wrong('has a secret with other characters in it')
  if (new Set(secret).size < 10) return new Wrong('has a secret of fewer than 10 different characters')
  return new ServiceClient(id, secret)
}
