import type { FastifyRequest } from 'fastify'
import type { Caller } from '../core/ports.ts'

const USER_AGENT_MAX_LENGTH = 300

/** Who is calling, in a form that any database takes: a plain address, and a User-Agent that is cut and clean. */
export function callerOf(request: FastifyRequest): Caller {
  return { ip: plainAddress(request.ip), userAgent: cleanText(request.headers['user-agent'] ?? '') }
}

/** An IPv4 address also where the socket is dual-stack, and no zone: `::ffff:10.0.0.1`, `fe80::1%eth0`. */
function plainAddress(ip: string): string {
  return ip.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
}

function cleanText(text: string): string {
  return text
    .slice(0, USER_AGENT_MAX_LENGTH)
    .replace(/\p{Cc}/gu, ' ')
    .toWellFormed()
}
