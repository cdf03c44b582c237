import type { Config } from '../config.ts'
import { environment, readConfig } from '../config.ts'

/**
 * Settings for a verb that is not the service: whatever else is wrong or missing is not asked. Those that are not named
 * are as if nothing was set.
 * @throws ConfigError with all of these that are wrong at once
 */
export function readSome(
  names: readonly string[],
  env: Readonly<Record<string, string | undefined>> = environment,
): Config {
  const wanted = names.flatMap((name) => [name, `${name}_FILE`]).filter((name) => env[name] !== undefined)
  return readConfig(Object.fromEntries(wanted.map((name) => [name, env[name]])))
}
