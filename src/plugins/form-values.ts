import type { FormFields } from './form-fields.ts'

/** A form field after conversion. */
export type FormValue = string | number | boolean

const typesBySchema = new WeakMap<object, Map<string, Set<string>>>()

/**
 * Gives a form's fields the types that a JSON Schema's `type` asks for, and only where the text is exactly
 * that type's: `true`, `false` and `on` (what a ticked checkbox sends) for boolean; a canonical decimal of at
 * most 15 digits for integer and number, so that no digit is ever lost. Any other text stays text, for
 * validation to refuse. So do fields that the schema does not name, fields that may be strings, and whatever
 * stands behind a `$ref`.
 */
export function convertFields(schema: object, fields: FormFields): Record<string, FormValue> {
  const typesByName = typesIn(schema)
  const converted: Record<string, FormValue> = Object.create(null)
  for (const [name, text] of Object.entries(fields)) converted[name] = convert(typesByName.get(name), text)
  return converted
}

function convert(types: Set<string> | undefined, text: string): FormValue {
  if (types === undefined || types.has('string')) return text
  if (types.has('boolean')) {
    if (text === 'true' || text === 'on') return true
    if (text === 'false') return false
  }
  if (types.has('integer') && /^(?:0|-?[1-9]\d{0,14})$/.test(text)) return Number(text)
  if (types.has('number') && isCanonicalNumber(text)) return Number(text)
  return text
}

// A double keeps every decimal of up to 15 digits.
function isCanonicalNumber(text: string): boolean {
  return /^(?!-0(?:\.0+)?$)-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(text) && text.replace(/\D/g, '').length <= 15
}

function typesIn(schema: object): Map<string, Set<string>> {
  const known = typesBySchema.get(schema)
  if (known !== undefined) return known
  const found = new Map<string, Set<string>>()
  collectProperties(schema, found)
  typesBySchema.set(schema, found)
  return found
}

function collectProperties(schema: unknown, found: Map<string, Set<string>>): void {
  if (!isRecord(schema)) return
  for (const [name, property] of Object.entries(isRecord(schema['properties']) ? schema['properties'] : {})) {
    const types = found.get(name) ?? new Set()
    collectTypes(property, types)
    found.set(name, types)
  }
  for (const part of partsOf(schema)) collectProperties(part, found)
}

function collectTypes(schema: unknown, found: Set<string>): void {
  const parts = isRecord(schema) ? partsOf(schema) : []
  if (isRecord(schema) && schema['type'] !== undefined) {
    for (const type of [schema['type']].flat()) found.add(String(type))
  } else if (parts.length > 0) {
    for (const part of parts) collectTypes(part, found)
  } else {
    found.add('string')
  }
}

/** Whether a JSON Schema describes an object, by itself or through the parts it is composed of. */
export function asksForObject(schema: unknown): boolean {
  return isRecord(schema) && (schema['type'] === 'object' || partsOf(schema).some(asksForObject))
}

function partsOf(schema: Record<string, unknown>): unknown[] {
  return [schema['allOf'], schema['anyOf'], schema['oneOf']].flatMap((parts) =>
    Array.isArray(parts) ? parts : [],
  )
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
