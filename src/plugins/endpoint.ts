import type {
  FastifyContextConfig,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchema,
  HTTPMethods,
  onRequestHookHandler,
  RouteOptions,
} from 'fastify'
import type { Static, TObject, TSchema } from 'typebox'
import { takeDocuments } from './documents.ts'
import type { GuardName } from './guards.ts'
import { addOptions } from './options.ts'
import { withProfileFields } from './profile.ts'
import type { RefusalCode, Refuse, Wording } from './refusal.ts'
import { refusal } from './refusal.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Fields that stand in every answer of the route, a refusal too. */
    readonly besideRefusal?: Readonly<Record<string, unknown>>
    /** A form of our own pages leads here: a browser is refused by a page, and no cookie is looked at. */
    readonly page?: boolean
    /** The name of the dialect that the route belongs to; our own where there is none. */
    readonly dialect?: string
    /** What stands before the route. */
    readonly guard?: GuardName
    /** The methods of the path, as the header Allow names them. */
    readonly allow?: string
    /** Words of this route alone, which go before those of its dialect. */
    readonly words?: Partial<Readonly<Record<RefusalCode, Wording>>>
  }
}

/** What one method of a path takes, gives, and is guarded by. */
export interface Action<
  Body extends TSchema = TSchema,
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
  /** Headers that the action reads, for the document; it judges them itself. */
  readonly headers?: TObject
  /** Fields of the profile may stand in the body beside its own: as PROFILE_SCHEMA_FILE has it, they are added to it. */
  readonly takesProfile?: boolean
  /** Answers by status, for the document and for the serializer. */
  readonly answers: Readonly<Record<number, TSchema>>
  readonly besideRefusal?: Readonly<Record<string, unknown>>
  /** Words of this action alone, for dialects that say the same thing differently from path to path. */
  readonly words?: Partial<Readonly<Record<RefusalCode, Wording>>>
  /** A form of our own pages leads here: whatever is refused to a browser is refused by a page. */
  readonly page?: boolean
  /** Takes a JSON text of up to so many bytes as it is, and neither fields nor forms: `request.body` is that text. */
  readonly documentMaxBytes?: number
  /** Left out of the OpenAPI document: for pages. */
  readonly hidden?: boolean
  handle(
    request: FastifyRequest<{ Body: Static<Body>; Querystring: Static<Query>; Params: Static<Params> }>,
    reply: FastifyReply,
  ): unknown
}

/** An action as it is written down: the types of body and query come from their schemas. */
export function action<
  Body extends TSchema = TSchema,
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
  /** For OpenAPI: where clients put the access token, of the schemes in docs.ts. */
  readonly security?: 'access' | 'token'
}

type Actions = Partial<Record<'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', Action>>

/** In the order in which Django names them in Allow. */
const ALL_METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD'] as const

/**
 * A path with all that belongs to it: its actions, each behind its guard; HEAD beside GET; OPTIONS, which is the
 * answer to a CORS preflight or a description of the path; and 405 with `Allow` for every other method.
 */
export function endpoint(
  app: FastifyInstance,
  manner: Manner,
  url: string,
  name: string,
  definitions: Actions,
): void {
  const actions: Actions = Object.fromEntries(
    Object.entries(definitions).map(([method, definition]) => [method, settled(app, definition)]),
  )
  const stated = new Set(Object.keys(actions))
  const allowed: HTTPMethods[] = ALL_METHODS.filter((method) =>
    stated.has(method === 'HEAD' ? 'GET' : method),
  )
  const allow = [...allowed, 'OPTIONS'].join(', ')
  const config = { dialect: manner.name, allow }
  for (const [method, definition] of Object.entries(actions)) {
    const methods = method === 'GET' ? ['GET', 'HEAD'] : [method]
    for (const one of methods) addRoute(app, manner, { url, config }, one, definition)
  }
  addOptions(app, { url, name, allowed, config }, actions)

  app.route({
    url,
    config,
    method: ALL_METHODS.filter((method) => !allowed.includes(method)),
    schema: { hide: true } as FastifySchema,
    handler: (request, reply) =>
      manner.refuse(refusal('method_not_allowed', `Use ${allow}.`), request, reply.header('allow', allow)),
  })
}

/** The action with the body that it has in this service. */
function settled(app: FastifyInstance, definition: Action): Action {
  const { body, takesProfile } = definition
  if (takesProfile !== true || body === undefined) return definition
  return { ...definition, body: withProfileFields(body, app.profileFields) }
}

function addRoute(
  app: FastifyInstance,
  manner: Manner,
  { url, config }: { readonly url: string; readonly config: FastifyContextConfig },
  method: string,
  definition: Action,
): void {
  const { guard, body, query, params, headers, answers, summary, description, hidden } = definition
  const { besideRefusal, page, words, documentMaxBytes } = definition
  const route: RouteOptions = {
    url,
    method,
    config: {
      ...config,
      guard,
      ...(besideRefusal && { besideRefusal }),
      ...(page && { page }),
      ...(words && { words }),
    },
    ...(documentMaxBytes === undefined ? {} : { bodyLimit: documentMaxBytes }),
    ...(guard === 'access_token' ? { onRequest: manner.requireAccessToken } : app.guards[guard]),
    schema: {
      summary,
      tags: [manner.tag],
      response: answers,
      hide: hidden === true || method === 'HEAD',
      ...(description === undefined ? {} : { description }),
      ...(body === undefined ? {} : { body }),
      ...(query === undefined ? {} : { querystring: query }),
      ...(params === undefined ? {} : { params }),
      ...(headers === undefined ? {} : { headers }),
      ...(guard === 'access_token' ? { security: [{ [manner.security ?? 'access']: [] }] } : {}),
      ...(guard === 'service' ? { security: [{ service: [] }] } : {}),
    },
    handler: (request, reply) =>
      // Fastify has validated what the action's schemas describe.
      definition.handle(request as Parameters<Action['handle']>[0], reply),
  }
  if (documentMaxBytes === undefined) app.route(route)
  else {
    app.register(async (scope) => {
      takeDocuments(scope)
      scope.route(route)
    })
  }
}
