import { isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { mappedIpv4 } from '../core/network.ts'
import type { Caller } from '../core/ports.ts'

const USER_AGENT_MAX_LENGTH = 300

/** Who is calling, in a form that any database takes: a plain address, and a User-Agent that is cut and clean. */
export function callerOf(request: FastifyRequest): Caller {
  const caller = {
    // Fastify's `ip` is undefined once the client has hung up.
    ip: plainAddress(request.ip ?? '') ?? plainAddress(request.socket.remoteAddress ?? '') ?? UNKNOWN_ADDRESS,
    userAgent: cleanText(request.headers['user-agent'] ?? ''),
    via: request.routeOptions.config.dialect,
  }
  requests.set(caller, request)
  return caller
}

const requests = new WeakMap<Caller, FastifyRequest>()

/** The request that this caller was read from. */
export function requestOf(caller: Caller): FastifyRequest | undefined {
  return requests.get(caller)
}

/** Of a socket that is gone already. */
const UNKNOWN_ADDRESS = '0.0.0.0'

/**
 * An IPv4 address also where the socket is dual-stack, and neither zone, brackets nor port: `::ffff:10.0.0.1`,
 * `fe80::1%eth0`, and what some gateways write into X-Forwarded-For, `[2001:db8::1]:443`. `undefined` for anything else.
 */
function plainAddress(ip: string): string | undefined {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(ip)?.[1] ?? /^([\d.]+):\d+$/.exec(ip)?.[1] ?? ip
  const plain = bare.replace(/%.*$/, '')
  const kind = isIP(plain)
  if (kind === 0) return undefined
  return kind === 6 ? (mappedIpv4(plain) ?? plain) : plain
}

function cleanText(text: string): string {
  return text
    .slice(0, USER_AGENT_MAX_LENGTH)
    .replace(/\p{Cc}/gu, ' ')
    .toWellFormed()
}
