import type { Profile } from '../core/ports.ts'
import type { ProfileRules } from '../core/profile.ts'
import { generalFaults, isReservedName, pickClaims } from '../core/profile.ts'
import type { Fail, Validate } from './compile-schema.ts'
import { compileSchema } from './compile-schema.ts'
import { fieldErrors } from './field-words.ts'

/** What is wrong with the file of PROFILE_SCHEMA_FILE, or with PROFILE_CLAIMS; ready for a terminal. */
export class ProfileSchemaError extends Error {
  override readonly name = 'ProfileSchemaError'
}

/** A profile field as the wire needs to know it: to read a form, and for the document. */
export interface ProfileField {
  readonly type?: unknown
  readonly description?: unknown
  readonly enum?: unknown
}

export interface ProfileSchema {
  readonly rules: ProfileRules
  /** By name, aliases among them. */
  readonly fields: Readonly<Record<string, ProfileField>>
}

interface Property extends ProfileField {
  readonly 'x-aliases'?: readonly string[]
  readonly 'x-claim'?: boolean
}

/**
 * Profile rules from a JSON Schema (2020-12, or draft-07 by its `$schema`) of an object of scalars. Two keywords are
 * ours, both of a property: `x-aliases`, other names that it may be sent under, and `x-claim: true`, which puts it into
 * access tokens, as PROFILE_CLAIMS does. The schema is the operator's: `pattern` runs as it stands there.
 * @throws ProfileSchemaError that names the file and the place in it
 */
export function readProfileSchema(
  document: unknown,
  path: string,
  claimNames: readonly string[],
): ProfileSchema {
  const fail = (place: string, problem: string) =>
    new ProfileSchemaError(
      `Keyturn does not start: PROFILE_SCHEMA_FILE ${path}${place && `, at ${place}`}: ${problem}`,
    )
  if (!isRecord(document)) throw fail('', 'is no JSON object; expected a JSON Schema.')
  if (document['type'] !== 'object' || !isRecord(document['properties'])) {
    throw fail('', 'does not describe an object; expected "type": "object" and "properties".')
  }
  const validate = compileSchema(document, fail)
  const properties = Object.entries(document['properties']).map(asProperty)
  const aliases = new Map<string, string>()
  for (const [name, property] of properties) {
    const place = `properties/${name}`
    checkProperty(name, property, place, fail)
    for (const alias of property['x-aliases'] ?? []) {
      if (isReservedName(alias)) throw fail(`${place}/x-aliases`, `"${alias}" is reserved.`)
      if (aliases.has(alias) || properties.some(([other]) => other === alias)) {
        throw fail(`${place}/x-aliases`, `"${alias}" is the name of another field.`)
      }
      aliases.set(alias, name)
    }
  }
  const unknown = claimNames.find((name) => !properties.some(([other]) => other === name))
  if (unknown !== undefined) throw fail('properties', `there is no "${unknown}", which PROFILE_CLAIMS names.`)
  const claims = properties
    .filter(([name, property]) => property['x-claim'] === true || claimNames.includes(name))
    .map(([name]) => name)

  return {
    rules: {
      faults: (profile) => ({
        ...schemaFaults(validate, profile),
        ...ambiguous(profile, aliases),
        ...generalFaults(profile, claims),
      }),
      normalize: (fields) => withoutAliases(fields, aliases),
      claims: (profile) => pickClaims(profile, claims),
    },
    fields: Object.fromEntries(
      properties.flatMap(([name, property]) => [
        [name, forWire(property)],
        ...(property['x-aliases'] ?? []).map((alias) => [
          alias,
          { ...forWire(property), description: `The same as ${name}.` },
        ]),
      ]),
    ),
  }
}

function checkProperty(name: string, property: Property, place: string, fail: Fail): void {
  if (isReservedName(name)) throw fail(place, 'this name is reserved and cannot be a profile field.')
  const types = [property.type ?? []].flat()
  const wrong = types.find((type) => !['string', 'number', 'integer', 'boolean'].includes(String(type)))
  if (wrong !== undefined) {
    throw fail(`${place}/type`, `a profile field is a string, a number or a boolean, never ${String(wrong)}.`)
  }
}

function schemaFaults(validate: Validate, profile: Profile): Record<string, string[]> {
  if (validate(profile)) return {}
  const errors = fieldErrors(validate.errors ?? [], 'profile')
  return Object.fromEntries(Object.entries(errors).map(([name, messages]) => [name, [...messages]]))
}

/** Each field under its own name; an alias beside the name that it stands for is left, to be refused. */
function withoutAliases(fields: Profile, aliases: ReadonlyMap<string, string>): Profile {
  const named = new Map(Object.entries(fields).filter(([name]) => !aliases.has(name)))
  const doubled = new Map<string, Profile[string]>()
  for (const [name, value] of Object.entries(fields)) {
    const own = aliases.get(name)
    if (own !== undefined) (named.has(own) ? doubled : named).set(named.has(own) ? name : own, value)
  }
  return Object.fromEntries([...named, ...doubled])
}

function ambiguous(profile: Profile, aliases: ReadonlyMap<string, string>): Record<string, string[]> {
  const doubled = Object.keys(profile).filter((name) => aliases.has(name))
  return Object.fromEntries(
    doubled.map((name) => [name, [`This is another name of ${aliases.get(name)}. Send one of them.`]]),
  )
}

function forWire({ type, description, enum: choices }: Property): ProfileField {
  return {
    type: type ?? ['string', 'number', 'boolean'],
    ...(description === undefined ? {} : { description }),
    ...(choices === undefined ? {} : { enum: choices }),
  }
}

/** `true` and `false` are schemas too. */
function asProperty([name, property]: [string, unknown]): [string, Property] {
  return [name, isRecord(property) ? property : {}]
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
