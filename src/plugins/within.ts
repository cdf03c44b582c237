import { AuthError } from '../core/errors.ts'

/**
 * What is answered, or a 503 where it takes longer; the work goes on. Fastify's own `handlerTimeout` would count the
 * time that a slow client takes to send its body.
 */
export async function within(ms: number, answer: Promise<unknown>): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new AuthError('unavailable', { retryAfterSeconds: 1 })), ms)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}
