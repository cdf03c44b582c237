import type { Setting } from './settings.ts'
import { settings as table } from './settings.ts'

/** A setting in words: for the README, its test and `keyturn config`. */
export interface SettingDescription {
  readonly name: string
  /** As an operator would write it, or in words; `undefined` where there is none. */
  readonly default: string | undefined
  readonly expected: string
  readonly about: string
  readonly why: string
  readonly secret: boolean
  readonly requiredInProduction: boolean
}

/** Every setting of this version, in the order of the table. */
export function describeSettings(): SettingDescription[] {
  return Object.values(table).map((setting: Omit<Setting<unknown>, 'inProduction'>) => {
    const { name, default: standard, value, about, why, secret = false, required } = setting
    const shown = typeof standard === 'object' ? standard.shown : standard || undefined
    const requiredInProduction = required === 'production'
    return { name, default: shown, expected: value.expected, about, why, secret, requiredInProduction }
  })
}
