import type { FastifyInstance } from 'fastify'
import type { LetterLinks } from '../core/letter-ports.ts'
import type { EmailVerification } from '../core/policy.ts'
import { limitHeaders } from '../plugins/guards.ts'
import type { Refuse } from '../plugins/refusal.ts'
import { noteRefused, toRefusal } from '../plugins/refusal.ts'
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
  /** The life of the access tokens that it hands out, where it is not ACCESS_TTL. */
  readonly accessTtlSeconds?: number
  /** The links of letters that it took the request for, where they do not lead to the pages of our own contract. */
  readonly letterLinks?: (options: Pick<DialectOptions, 'prefix' | 'publicUrl'>) => LetterLinks
  /** Says no in this dialect's words, at each of its endpoints. */
  readonly refuse: (options: DialectOptions) => Refuse
  /** Adds its endpoints; paths are below the prefix already. */
  readonly mount: (app: FastifyInstance, options: DialectOptions) => void
}

/** Two dialects that cannot be mounted together; ready for a terminal. */
export class DialectError extends Error {
  override readonly name = 'DialectError'
}

/**
 * Puts a dialect under its prefix, with its own words for whatever goes wrong there.
 * @param claims which dialect has which path, of all that are mounted
 * @throws DialectError where another dialect has one of its paths already
 */
export async function mountDialect(
  app: FastifyInstance,
  dialect: Dialect,
  options: DialectOptions,
  claims: Map<string, string>,
): Promise<void> {
  const refuse = dialect.refuse(options)
  await app.register(
    async (scope) => {
      scope.addHook('onRoute', ({ url }) => claim(claims, url, dialect.name))
      speakRefusals(scope, refuse)
      dialect.mount(scope, options)
      // Below the root the words are those of the service.
      if (options.prefix !== '') {
        scope.setNotFoundHandler(scope.answerUnknown(refuse))
      }
    },
    { prefix: options.prefix },
  )
}

function claim(claims: Map<string, string>, url: string, name: string): void {
  const path = url.replace(/(?<=.)\/$/, '')
  for (const [other, owner] of claims) {
    if (owner === name || !meet(path, other)) continue
    throw new DialectError(
      `Keyturn does not start: DIALECTS mounts ${owner} and ${name} so that both have the path ${path}. Give one of them another prefix.`,
    )
  }
  claims.set(path, name)
}

/** Whether one request could be for both: a parameter stands for any segment. */
function meet(one: string, other: string): boolean {
  const [ours, theirs] = [one.split('/'), other.split('/')]
  return (
    ours.length === theirs.length &&
    ours.every((part, at) => part === theirs[at] || [part, theirs[at]].some((each) => each?.startsWith(':')))
  )
}

/** Answers whatever is thrown below `app` by `refuse`; nothing of a defect is sent. */
export function speakRefusals(app: FastifyInstance, refuse: Refuse): void {
  app.setErrorHandler((error, request, reply) => {
    const found = toRefusal(error)
    noteRefused(request, { code: found.code, error })
    const { limit, retryAfterSeconds: resetSeconds = 1 } = found
    if (limit !== undefined) reply.headers(limitHeaders({ limit, remaining: 0, resetSeconds }))
    return refuse(found, request, reply)
  })
}
