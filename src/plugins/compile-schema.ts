import type { ErrorObject } from 'ajv'
import { Ajv } from 'ajv'
import type { Options } from 'ajv/dist/2020.js'
import { Ajv2020 } from 'ajv/dist/2020.js'
import ajvFormats from 'ajv-formats'

const OPTIONS: Options = {
  allErrors: true,
  verbose: true,
  strict: true,
  strictRequired: true,
  allowUnionTypes: true,
  logger: false,
}
/** Where our own keywords may stand; anywhere else they would do nothing. */
const PROPERTY_PLACE = /^#\/properties\/[^/]+$/

/** Makes an error of a problem and its place in the schema. */
export type Fail = (place: string, problem: string) => Error

export interface Validate {
  (profile: unknown): boolean
  errors?: ErrorObject[] | null
}

/**
 * A JSON Schema, 2020-12 or draft-07 by its `$schema`, as a function. Strict: what ajv would pass over in silence (a
 * keyword that it does not know, a rule that can never apply) is an error.
 */
export function compileSchema(document: Record<string, unknown>, fail: Fail): Validate {
  const dialect = String(document['$schema'] ?? '')
  const isOld = /^https?:\/\/json-schema\.org\/draft-07\//.test(dialect)
  if (dialect !== '' && !isOld && !/^https:\/\/json-schema\.org\/draft\/2020-12\//.test(dialect)) {
    throw fail('$schema', 'expected draft 2020-12, or draft-07.')
  }
  const ajv = isOld ? new Ajv(OPTIONS) : new Ajv2020(OPTIONS)
  ajvFormats.default(ajv)
  for (const [keyword, metaSchema] of [
    ['x-aliases', { type: 'array', items: { type: 'string', minLength: 1 } }],
    ['x-claim', { type: 'boolean' }],
  ] as const) {
    ajv.addKeyword({
      keyword,
      metaSchema,
      compile: (_value, _parent, { errSchemaPath }) => {
        if (!PROPERTY_PLACE.test(errSchemaPath))
          throw new Error(`"${keyword}" at ${errSchemaPath} does nothing`)
        return () => true
      },
    })
  }
  if ('$async' in document) throw fail('$async', 'is not allowed.')
  try {
    return ajv.compile(document)
  } catch (error) {
    throw fail(placeOf(ajv, document), `${error instanceof Error ? error.message : 'cannot be read'}.`)
  }
}

/** The property that cannot be compiled; ajv does not name the place of everything that it refuses. */
function placeOf(ajv: Ajv, { required: _, $id: _id, ...document }: Record<string, unknown>): string {
  const culprit = Object.entries(document['properties'] ?? {}).find(([name, property]) => {
    try {
      ajv.compile({ ...document, properties: { [name]: property } })
      return false
    } catch {
      return true
    }
  })
  return culprit === undefined ? '' : `properties/${culprit[0]}`
}
