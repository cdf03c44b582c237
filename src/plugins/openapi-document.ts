/** As much of an OpenAPI 3.1 document as is finished here. */
interface Document {
  paths?: Record<string, Record<string, Operation>>
  components?: { schemas?: Record<string, unknown> }
}

interface Operation {
  operationId?: string
  security?: readonly object[]
  requestBody?: { required?: boolean; content: Record<string, { schema?: BodySchema }> }
  responses?: Record<string, { description?: string; content?: Record<string, { schema?: unknown }> }>
}

interface BodySchema {
  type?: unknown
  required?: readonly string[]
}

const FORM_TYPES = ['application/x-www-form-urlencoded', 'multipart/form-data']
const PROBLEM = { $ref: '#/components/schemas/Problem' }

/**
 * The document with what no single route's schema says: a name for each operation, that forms are read as well as
 * JSON, that a body without required fields may be left out, that what asks for no access token is open, and that
 * every refusal of ours is the same `application/problem+json`.
 */
export function finishDocument(made: object): Document {
  const document: Document = JSON.parse(JSON.stringify(made))
  let problem: unknown
  for (const [path, operations] of Object.entries(document.paths ?? {})) {
    for (const [method, operation] of Object.entries(operations)) {
      operation.operationId = nameOf(method, path)
      operation.security ??= []
      finishBody(operation)
      problem = takeProblem(operation) ?? problem
    }
  }
  const schemas = { ...document.components?.schemas, Problem: problem }
  return { ...document, components: { ...document.components, schemas } }
}

/** POST /change-password is `postChangePassword`, DELETE /sessions/{id} `deleteSessionsId`. */
function nameOf(method: string, path: string): string {
  return method + path.replace(/[^a-z]+([a-z]?)/gi, (_, letter: string) => letter.toUpperCase())
}

function finishBody({ requestBody }: Operation): void {
  const schema = requestBody?.content['application/json']?.schema
  if (requestBody === undefined || schema === undefined) return
  // What need not be an object has no fields that a form could bring: it is one JSON text.
  requestBody.required = schema.type !== 'object' || (schema.required ?? []).length > 0
  if (schema.type !== 'object') return
  for (const type of FORM_TYPES) requestBody.content[type] ??= { schema }
}

/** Puts the one media type and a reference in place of the schema that stands in each refusal, and returns that. */
function takeProblem({ responses = {} }: Operation): unknown {
  let problem: unknown
  for (const status of ['4XX', '5XX']) {
    const answer = responses[status]
    const schema = answer?.content?.['application/json']?.schema
    if (answer === undefined || !isProblem(schema)) continue
    problem = schema
    answer.content = { 'application/problem+json': { schema: PROBLEM } }
    answer.description = status === '4XX' ? 'Refused (RFC 9457)' : 'Not at the moment, or a defect (RFC 9457)'
  }
  return problem
}

/** Other dialects refuse in other words, and describe them as they stand. */
function isProblem(schema: unknown): boolean {
  const properties = typeof schema === 'object' && schema !== null && 'properties' in schema
  return properties && typeof schema.properties === 'object' && 'request_id' in (schema.properties ?? {})
}
