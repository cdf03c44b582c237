import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger, FastifyServerOptions } from 'fastify'
import { LogController } from 'fastify'
import { logSerializers, sayPlainly } from './log-serializers.ts'

type Logging = Required<
  Pick<FastifyServerOptions, 'logger' | 'logController' | 'genReqId' | 'childLoggerFactory'>
>

/** What Fastify is told of the log: the lines of requests are ours (`request-log.ts`), and so are their ids. */
export function logging(level: string, logTo: { write(line: string): void } | undefined): Logging {
  return {
    logger: level !== 'silent' && {
      level,
      serializers: logSerializers,
      hooks: {
        logMethod(said, method) {
          Reflect.apply(method, this, sayPlainly(said))
        },
      },
      ...(logTo && { stream: logTo }),
    },
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: () => randomUUID(),
    childLoggerFactory,
  }
}

/** One for each request costs more than to check an access token does, and hardly any of them ever says something. */
const childLoggerFactory: Logging['childLoggerFactory'] = (logger, bindings, options) =>
  new LazyLogger(() => logger.child(bindings, options))

/** The logger of a request, made when it first says something. */
class LazyLogger implements FastifyBaseLogger {
  readonly #make: () => FastifyBaseLogger
  #made: FastifyBaseLogger | undefined

  constructor(make: () => FastifyBaseLogger) {
    this.#make = make
  }

  get #logger(): FastifyBaseLogger {
    this.#made ??= this.#make()
    return this.#made
  }

  get level(): string {
    return this.#logger.level
  }

  child(...given: Parameters<FastifyBaseLogger['child']>): FastifyBaseLogger {
    return this.#logger.child(...given)
  }

  fatal(...said: unknown[]): void {
    this.#say('fatal', said)
  }

  error(...said: unknown[]): void {
    this.#say('error', said)
  }

  warn(...said: unknown[]): void {
    this.#say('warn', said)
  }

  info(...said: unknown[]): void {
    this.#say('info', said)
  }

  debug(...said: unknown[]): void {
    this.#say('debug', said)
  }

  trace(...said: unknown[]): void {
    this.#say('trace', said)
  }

  silent(...said: unknown[]): void {
    this.#say('silent', said)
  }

  #say(level: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent', said: unknown[]): void {
    Reflect.apply(this.#logger[level], this.#logger, said)
  }
}
