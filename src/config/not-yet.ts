import type { Fault } from './faults.ts'
import type { Default } from './settings.ts'
import { defaultText } from './settings.ts'
import type { Environment } from './texts.ts'
import { given } from './texts.ts'

/**
 * Settings that belong to the contract and not to this version. Setting one stops the start, for a setting
 * that is accepted and does nothing would be a lie; the default given here is true already and passes. Delete
 * a line with its issue.
 */
export const notYet: Readonly<Record<string, Default | undefined>> = {
  METRICS_PORT: undefined,
}

/** Faults of settings that later versions will have. */
export function unavailable(env: Environment, texts: Environment): Fault[] {
  return Object.entries(notYet).flatMap(([setting, standard]) => {
    const text = given(env, setting)?.trim()
    const path = given(env, `${setting}_FILE`)
    if (text === undefined && path === undefined) return []
    const only = defaultText(standard, texts)
    if (path === undefined && text === only) return []
    const expected = only === undefined ? 'nothing' : `nothing, or its default ${only}`
    return [{ setting, problem: 'is not in this version of Keyturn yet', expected, remedy: 'unset it' }]
  })
}
