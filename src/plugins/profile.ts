import fp from 'fastify-plugin'
import type { TSchema } from 'typebox'
import { IsObject, Type } from 'typebox'
import type { ProfileRules } from '../core/profile.ts'
import { freeProfile, isReservedName } from '../core/profile.ts'
import type { ProfileField } from './profile-schema.ts'
import { ProfileSchemaError, readProfileSchema } from './profile-schema.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly profiles: ProfileRules
    /** What profiles may hold, as far as it is known; for the schemas of endpoints that take them. */
    readonly profileFields: Readonly<Record<string, ProfileField>>
  }
}

export interface ProfilePluginOptions {
  /** PROFILE_SCHEMA_FILE: what stands in it, and where. */
  readonly schema: { readonly path: string; readonly document: unknown } | undefined
  /** PROFILE_CLAIMS. */
  readonly claimNames: readonly string[]
}

/** What profiles may hold. A schema that cannot be used stops the start. */
export const profilePlugin = fp<ProfilePluginOptions>(
  async (app, { schema, claimNames }) => {
    const reserved = claimNames.find(isReservedName)
    if (reserved !== undefined) {
      throw new ProfileSchemaError(
        `Keyturn does not start: PROFILE_CLAIMS names "${reserved}", which is reserved and cannot be a profile field.`,
      )
    }
    const { rules, fields } =
      schema === undefined
        ? { rules: freeProfile(claimNames), fields: {} }
        : readProfileSchema(schema.document, schema.path, claimNames)
    app.decorate('profiles', rules)
    app.decorate('profileFields', fields)
  },
  { name: 'profile' },
)

/** The schema of a body that takes a profile beside its own fields, with the fields that a profile may have. */
export function withProfileFields(body: TSchema, fields: Readonly<Record<string, ProfileField>>): TSchema {
  if (!IsObject(body)) return body
  const { type: _type, properties, required: _required, ...options } = body
  const added = Object.entries(fields).map(([name, field]) => [
    name,
    Type.Optional(Type.Unsafe({ ...field })),
  ])
  return Type.Object({ ...Object.fromEntries(added), ...properties }, options)
}
