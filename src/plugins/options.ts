import type {
  FastifyContextConfig,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchema,
} from 'fastify'
import type { TSchema } from 'typebox'
import { IsObject } from 'typebox'

/** As much of an action as its description tells. */
interface DescribedAction {
  readonly summary: string
  readonly body?: TSchema
  readonly documentMaxBytes?: number
}

/** OPTIONS of a path: the answer to a CORS preflight, or a description of what its methods take. */
export function addOptions(
  app: FastifyInstance,
  {
    url,
    name,
    allowed,
    config,
  }: {
    readonly url: string
    readonly name: string
    readonly allowed: readonly string[]
    readonly config: FastifyContextConfig
  },
  actions: Readonly<Record<string, DescribedAction>>,
): void {
  app.options(url, { config, schema: { hide: true } as FastifySchema }, (request, reply) => {
    reply.header('allow', [...allowed, 'OPTIONS'].join(', '))
    return isPreflight(request) ? answerPreflight(reply, allowed) : reply.send(describe(actions, name))
  })
}

function isPreflight({ headers }: FastifyRequest): boolean {
  return headers.origin !== undefined && headers['access-control-request-method'] !== undefined
}

const CORS_REQUEST_HEADERS =
  'authorization, content-type, idempotency-key, traceparent, tracestate, x-request-id'
const PREFLIGHT_MAX_AGE_SECONDS = 600

/** Tells a browser what it may send here; the CORS plugin has already decided whether the origin is let in. */
function answerPreflight(reply: FastifyReply, methods: readonly string[]): FastifyReply {
  if (reply.hasHeader('access-control-allow-origin')) {
    reply.header('access-control-allow-methods', methods.join(', '))
    reply.header('access-control-allow-headers', CORS_REQUEST_HEADERS)
    reply.header('access-control-max-age', PREFLIGHT_MAX_AGE_SECONDS)
  }
  return reply.code(204).send()
}

const JSON_TYPE = 'application/json'
const PARSES = [JSON_TYPE, 'application/x-www-form-urlencoded', 'multipart/form-data']

/** The path in words for a machine, in the shape of Django REST Framework's metadata. */
function describe(actions: Readonly<Record<string, DescribedAction>>, name: string): Record<string, unknown> {
  const takesDocument = Object.values(actions).some(({ documentMaxBytes }) => documentMaxBytes !== undefined)
  const fields = fieldsOf(actions)
  return {
    name,
    description: Object.values(actions)
      .map(({ summary }) => summary)
      .join(' '),
    parses: takesDocument ? [JSON_TYPE] : PARSES,
    renders: [JSON_TYPE],
    ...(Object.keys(fields).length > 0 && { actions: fields }),
  }
}

/** By method, the fields of those that take some. */
function fieldsOf(actions: Readonly<Record<string, DescribedAction>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(actions).flatMap(([method, { body }]) =>
      body === undefined ? [] : [[method, describeFields(body)]],
    ),
  )
}

function describeFields(body: TSchema | undefined): Record<string, unknown> {
  if (!IsObject(body)) return {}
  // Of a body of two forms those of its main one, which has no word of its own for itself.
  const { else: main }: { else?: { required?: readonly string[] } } & object = body
  const required = new Set([...(body.required ?? []), ...(main?.required ?? [])])
  return Object.fromEntries(
    Object.entries(body.properties).map(([field, schema]) => {
      const { title, maxLength, description }: { title?: string; maxLength?: number; description?: string } =
        schema
      return [
        field,
        {
          type: kindOf(schema),
          required: required.has(field),
          read_only: false,
          label: title ?? labelOf(field),
          ...(maxLength === undefined ? {} : { max_length: maxLength }),
          ...(description === undefined ? {} : { help_text: description }),
        },
      ]
    }),
  )
}

/** The kind of a field in the words of Django REST Framework. */
function kindOf({ type, format }: { readonly type?: unknown; readonly format?: unknown }): string {
  if (format === 'email') return 'email'
  if (type === 'number') return 'float'
  return type === 'string' || type === 'integer' || type === 'boolean' ? type : 'field'
}

/** `first_name` as a person would head it: First name. */
function labelOf(field: string): string {
  const words = field.replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}
