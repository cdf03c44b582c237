import type { FastifyRequest } from 'fastify'
import { AuthError } from '../core/errors.ts'

/** The Idempotency-Key. Node joins a header that came twice with a comma, and makes a list of some: neither is one key. */
export function idempotencyKeyOf({ headers }: FastifyRequest): string | undefined {
  const header = headers['idempotency-key']
  if (Array.isArray(header)) {
    throw new AuthError('validation_failed', { fields: { 'Idempotency-Key': ['Send this header once.'] } })
  }
  return header
}
