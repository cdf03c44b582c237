import type { FieldErrors } from '../core/errors.ts'

/** As much of what ajv finds wrong as a sentence needs; Fastify hands on the same. */
export interface SchemaFault {
  readonly keyword: string
  readonly instancePath: string
  readonly schemaPath: string
  readonly params: Readonly<Record<string, unknown>>
  /** With `verbose` only: the schema that was not met. */
  readonly parentSchema?: object | undefined
}

/**
 * Sentences for what a schema found, field by field, in the words of Django and its REST framework where they have
 * some. What is wrong with no single field stands under `whole`.
 */
export function fieldErrors(faults: readonly SchemaFault[], whole: string): FieldErrors {
  const fields = new Map<string, Set<string>>()
  for (const fault of faults.filter((each) => isTold(each, faults))) {
    const field = fieldOf(fault, whole)
    fields.set(field, (fields.get(field) ?? new Set()).add(sentence(fault, field === whole, faults)))
  }
  return Object.fromEntries([...fields].map(([field, messages]) => [field, [...messages]]))
}

const COMPOSITES = new Set(['anyOf', 'oneOf', 'if'])

/**
 * Of a field that fits none of several schemas only that is told, and not how it missed each of them. Of the whole it
 * is the other way round: which fields were wrong tells more.
 */
function isTold(fault: SchemaFault, faults: readonly SchemaFault[]): boolean {
  // What is of another type meets no other rule either.
  const isOfOtherType = faults.some(
    (each) => each.keyword === 'type' && each.instancePath === fault.instancePath,
  )
  if (isOfOtherType && !['type', 'anyOf', 'oneOf'].includes(fault.keyword)) return false
  if (COMPOSITES.has(fault.keyword) && fault.instancePath === '') {
    return fault.keyword !== 'if' && partsOf(fault, faults).length === 0
  }
  return !faults.some(
    (other) =>
      COMPOSITES.has(other.keyword) && other.instancePath !== '' && partsOf(other, faults).includes(fault),
  )
}

function partsOf({ schemaPath }: SchemaFault, faults: readonly SchemaFault[]): SchemaFault[] {
  return faults.filter((fault) => fault.schemaPath.startsWith(`${schemaPath}/`))
}

function fieldOf({ keyword, instancePath, params }: SchemaFault, whole: string): string {
  const [, inner] = instancePath.split('/')
  if (inner !== undefined) return safeName(inner.replaceAll('~1', '/').replaceAll('~0', '~'), whole)
  switch (keyword) {
    case 'required':
    case 'dependentRequired':
    case 'dependencies':
      return String(params['missingProperty'])
    case 'additionalProperties':
      return safeName(params['additionalProperty'], whole)
    case 'unevaluatedProperties':
      return safeName(params['unevaluatedProperty'], whole)
    case 'propertyNames':
      return safeName(params['propertyName'], whole)
    default:
      return whole
  }
}

/** A name comes from the sender, who may have pasted a secret in its place. */
function safeName(name: unknown, otherwise: string): string {
  return typeof name === 'string' && /^[\w.$-]{1,40}$/.test(name) && name !== '__proto__' ? name : otherwise
}

function sentence(fault: SchemaFault, isWhole: boolean, faults: readonly SchemaFault[]): string {
  const { keyword, params, parentSchema } = fault
  const { limit } = params
  switch (keyword) {
    case 'required':
    case 'dependentRequired':
    case 'dependencies':
      return 'This field is required.'
    case 'additionalProperties':
    case 'unevaluatedProperties':
    case 'propertyNames':
      return 'This field is not known here. Remove it.'
    case 'type':
      return isWhole ? 'Send an object of named fields.' : typeSentence(params['type'])
    case 'anyOf':
      if (partsOf(fault, faults).every((part) => part.keyword === 'type')) {
        return typeSentence(partsOf(fault, faults).map((part) => part.params['type']))
      }
      return withHint('This value is not valid.', parentSchema)
    case 'minLength':
      return limit === 1
        ? 'This field may not be blank.'
        : `Ensure this field has at least ${limit} characters.`
    case 'maxLength':
      return `Ensure this field has no more than ${limit} characters.`
    case 'minimum':
      return `Ensure this value is greater than or equal to ${limit}.`
    case 'maximum':
      return `Ensure this value is less than or equal to ${limit}.`
    case 'exclusiveMinimum':
      return `Ensure this value is greater than ${limit}.`
    case 'exclusiveMaximum':
      return `Ensure this value is less than ${limit}.`
    case 'multipleOf':
      return `Ensure this value is a multiple of ${params['multipleOf']}.`
    case 'enum':
      return `Select a valid choice: ${list(params['allowedValues'])}.`
    case 'const':
      return `This value must be ${String(params['allowedValue'])}.`
    case 'format':
      return formatSentence(params['format'])
    case 'pattern':
      return withHint('This value does not match the required pattern.', parentSchema)
    default:
      return withHint('This value is not valid.', parentSchema)
  }
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'Not a valid string.',
  integer: 'A valid integer is required.',
  number: 'A valid number is required.',
  boolean: 'Must be a valid boolean.',
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
}

function typeSentence(type: unknown): string {
  const types = [type].flat().map(String)
  const [only = ''] = types
  if (types.length === 1) return TYPES[only] ?? 'This value is not valid.'
  const kinds = types.map((each) => KINDS[each] ?? each)
  return `Not a valid value: send ${kinds.slice(0, -1).join(', ')} or ${kinds.at(-1)}.`
}

const FORMATS: Readonly<Record<string, string>> = {
  email: 'Enter a valid email address.',
  uri: 'Enter a valid URL.',
  url: 'Enter a valid URL.',
  date: 'Date has wrong format. Use one of these formats instead: YYYY-MM-DD.',
  time: 'Time has wrong format. Write it like 13:45:00Z.',
  'date-time': 'Datetime has wrong format. Write it like 2026-01-31T13:45:00Z.',
  uuid: 'Must be a valid UUID.',
  ipv4: 'Enter a valid IPv4 address.',
  ipv6: 'Enter a valid IPv6 address.',
  hostname: 'Enter a valid host name.',
}

function formatSentence(format: unknown): string {
  return (
    FORMATS[String(format)] ?? `This value has no valid format; it must be of the format ${String(format)}.`
  )
}

/** The words of the schema's author, where there are some: no library knows what a pattern is meant to say. */
function withHint(said: string, schema: object | undefined): string {
  const hint = schema !== undefined && 'description' in schema ? schema.description : undefined
  return typeof hint === 'string' && hint !== '' ? `${said} ${hint}` : said
}

function list(values: unknown): string {
  return Array.isArray(values) ? values.map(String).join(', ') : ''
}
