import type { Profile } from '../../core/ports.ts'
import { isReservedName } from '../../core/profile.ts'

/** What these clients call a field, and what it is called in the profile. */
const RENAMED: Readonly<Record<string, string>> = {
  organizationType: 'organisation_type',
  organizationName: 'organisation_name',
}

/** Which make a profile complete. */
export const ASKED_FIELDS = ['organisation_type', 'organisation_name', 'country']

/** Fields of the account itself, whatever they are called here. */
const OWN = new Set(['username', 'email', 'name', 'first_name', 'surname', 'last_name'])

/**
 * Whatever else was posted, for the profile: texts, numbers, true and false. What the profile may not have is passed
 * over as Django does, above all the passwords that single-page apps post along under names of their own.
 */
export function profileIn(body: Readonly<Record<string, unknown>>): Profile {
  const kept = Object.entries(body).flatMap(([name, value]): [string, string | number | boolean][] =>
    OWN.has(name) || isReservedName(name) || !isScalar(value) ? [] : [[RENAMED[name] ?? name, value]],
  )
  return Object.fromEntries(kept)
}

function isScalar(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}
