import type { FastifyInstance } from 'fastify'
import type { EmailVerification } from '../core/policy.ts'
import type { Refuse } from '../plugins/refusal.ts'
import { toRefusal } from '../plugins/refusal.ts'
import type { RefreshCookie } from './refresh-cookie.ts'

/** What a dialect is told about the service it speaks for. */
export interface DialectOptions {
  /** Where it is mounted: empty, or a path without a slash at its end. */
  readonly prefix: string
  /** The address of the service as its clients see it, without a slash at its end. */
  readonly publicUrl: string
  readonly emailVerification: EmailVerification
  /** For a hint; what is too short, the verbs decide. */
  readonly passwordMinLength: number
  /** REFRESH_COOKIE: where the refresh token travels in a cookie. */
  readonly cookie: RefreshCookie | undefined
  /** JWT_AUDIENCE_KEYS: audiences that tokens may be asked for beside our own. */
  readonly audiences: readonly string[]
}

/** A wire contract over the verbs of the core: paths, field names, answers and words, and no logic. */
export interface Dialect {
  readonly name: string
  /** Says no in this dialect's words, at each of its endpoints. */
  readonly refuse: (options: DialectOptions) => Refuse
  /** Adds its endpoints; paths are below the prefix already. */
  readonly mount: (app: FastifyInstance, options: DialectOptions) => void
}

/** Puts a dialect under its prefix, with its own words for whatever goes wrong there. */
export async function mountDialect(
  app: FastifyInstance,
  dialect: Dialect,
  options: DialectOptions,
): Promise<void> {
  await app.register(
    async (scope) => {
      speakRefusals(scope, dialect.refuse(options))
      dialect.mount(scope, options)
    },
    { prefix: options.prefix },
  )
}

/** Answers whatever is thrown below `app` by `refuse`; defects are logged, and nothing of them is sent. */
export function speakRefusals(app: FastifyInstance, refuse: Refuse): void {
  app.setErrorHandler((error, request, reply) => {
    const refusal = toRefusal(error)
    if (refusal.code === 'internal_error') request.log.error({ err: error }, 'a defect')
    if (refusal.code === 'unavailable') request.log.warn({ err: error }, 'unavailable')
    return refuse(refusal, request, reply)
  })
}
