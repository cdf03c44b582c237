import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchema,
  HTTPMethods,
  onRequestHookHandler,
} from 'fastify'
import type { Static, TObject, TSchema } from 'typebox'
import type { GuardName } from './guards.ts'
import type { Refuse } from './refusal.ts'
import { refusal } from './refusal.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Fields that stand in every answer of the route, a refusal too. */
    readonly besideRefusal?: Readonly<Record<string, unknown>>
  }
}

/** What one method of a path takes, gives, and is guarded by. */
export interface Action<
  Body extends TObject = TObject,
  Query extends TObject = TObject,
  Params extends TObject = TObject,
> {
  /** Every route states its guard, an open door too. */
  readonly guard: GuardName
  readonly summary: string
  readonly description?: string
  readonly body?: Body
  readonly query?: Query
  readonly params?: Params
  /** Answers by status, for the document and for the serializer. */
  readonly answers: Readonly<Record<number, TSchema>>
  readonly besideRefusal?: Readonly<Record<string, unknown>>
  /** Left out of the OpenAPI document: for pages. */
  readonly hidden?: boolean
  handle(
    request: FastifyRequest<{ Body: Static<Body>; Querystring: Static<Query>; Params: Static<Params> }>,
    reply: FastifyReply,
  ): unknown
}

/** An action as it is written down: the types of body and query come from their schemas. */
export function action<
  Body extends TObject = TObject,
  Query extends TObject = TObject,
  Params extends TObject = TObject,
>(definition: Action<Body, Query, Params>): Action {
  // An action is called with what its own schemas have let through, which no common type can say.
  return definition as unknown as Action
}

/** What the dialect, or the service itself, does the same way at each of its endpoints. */
export interface Manner {
  readonly name: string
  /** For OpenAPI: under which heading its endpoints stand. */
  readonly tag: string
  /** Lets requests with a good access token through to actions guarded by `access_token`. */
  readonly requireAccessToken: onRequestHookHandler
  readonly refuse: Refuse
}

type Actions = Partial<Record<'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', Action>>
type Describe = (actions: Actions, name: string) => Record<string, unknown>

const ALL_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/**
 * A path with all that belongs to it: its actions, each behind its guard; HEAD beside GET; OPTIONS, which is the
 * answer to a CORS preflight or a description of the path; and 405 with `Allow` for every other method.
 */
export function endpoint(
  app: FastifyInstance,
  manner: Manner,
  url: string,
  name: string,
  actions: Actions,
): void {
  const allowed: HTTPMethods[] = []
  for (const [method, definition] of Object.entries(actions)) {
    const methods = method === 'GET' ? ['GET', 'HEAD'] : [method]
    allowed.push(...methods)
    for (const one of methods) addRoute(app, manner, url, one, definition)
  }
  const allow = [...allowed, 'OPTIONS'].join(', ')
  const schema = { hide: true } as FastifySchema

  app.options(url, { schema }, (request, reply) => {
    reply.header('allow', allow)
    return isPreflight(request)
      ? answerPreflight(request, reply, allowed)
      : reply.send(describe(actions, name))
  })
  app.route({
    url,
    method: ALL_METHODS.filter((method) => !allowed.includes(method)),
    schema,
    handler: (request, reply) =>
      manner.refuse(refusal('method_not_allowed', `Use ${allow}.`), request, reply.header('allow', allow)),
  })
}

function addRoute(
  app: FastifyInstance,
  manner: Manner,
  url: string,
  method: string,
  definition: Action,
): void {
  const { guard, body, query, params, answers, summary, description, hidden, besideRefusal } = definition
  const count = app.guards[guard]
  app.route({
    url,
    method,
    config: besideRefusal === undefined ? {} : { besideRefusal },
    onRequest: guard === 'access_token' ? manner.requireAccessToken : (count ?? []),
    schema: {
      summary,
      tags: [manner.tag],
      response: answers,
      hide: hidden === true || method === 'HEAD',
      ...(description === undefined ? {} : { description }),
      ...(body === undefined ? {} : { body }),
      ...(query === undefined ? {} : { querystring: query }),
      ...(params === undefined ? {} : { params }),
      ...(guard === 'access_token' ? { security: [{ access: [] }] } : {}),
    },
    handler: (request, reply) =>
      // Fastify has validated what the action's schemas describe.
      definition.handle(request as Parameters<Action['handle']>[0], reply),
  })
}

function isPreflight({ headers }: FastifyRequest): boolean {
  return headers.origin !== undefined && headers['access-control-request-method'] !== undefined
}

const CORS_REQUEST_HEADERS = 'authorization, content-type, idempotency-key'
const PREFLIGHT_MAX_AGE_SECONDS = 600

/** Tells a browser what it may send here; the CORS plugin has already decided whether the origin is let in. */
function answerPreflight(
  _request: FastifyRequest,
  reply: FastifyReply,
  methods: readonly string[],
): FastifyReply {
  if (reply.hasHeader('access-control-allow-origin')) {
    reply.header('access-control-allow-methods', methods.join(', '))
    reply.header('access-control-allow-headers', CORS_REQUEST_HEADERS)
    reply.header('access-control-max-age', PREFLIGHT_MAX_AGE_SECONDS)
  }
  return reply.code(204).send()
}

const PARSES = ['application/json', 'application/x-www-form-urlencoded', 'multipart/form-data']

/** The path in words for a machine, in the shape of Django REST Framework's metadata. */
const describe: Describe = (actions, name) => ({
  name,
  description: Object.values(actions)
    .map(({ summary }) => summary)
    .join(' '),
  parses: PARSES,
  renders: ['application/json'],
  actions: Object.fromEntries(
    Object.entries(actions).map(([method, { body }]) => [
      method,
      body === undefined ? {} : describeFields(body),
    ]),
  ),
})

function describeFields(body: TObject): Record<string, unknown> {
  const required = new Set(body.required ?? [])
  return Object.fromEntries(
    Object.entries(body.properties).map(([field, schema]) => {
      const { type, maxLength, description }: { type?: string; maxLength?: number; description?: string } =
        schema
      return [
        field,
        {
          type: type ?? 'any',
          required: required.has(field),
          ...(maxLength === undefined ? {} : { max_length: maxLength }),
          ...(description === undefined ? {} : { help_text: description }),
        },
      ]
    }),
  )
}
