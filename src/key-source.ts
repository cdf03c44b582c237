import { statSync } from 'node:fs'
import type { RunnableConfig } from './app.ts'
import type { KeyRings } from './config.ts'
import { ConfigError, keyFiles, readKeyRings } from './config.ts'
import type { KeySource } from './plugins/key-reload.ts'

/** The keys that the environment names, read again whenever they are asked for. */
export function keySourceOf(config: RunnableConfig, env?: Readonly<Record<string, string>>): KeySource {
  return {
    files: [...keyFiles(env).values()],
    read() {
      const rings = tryRead(env)
      if (rings instanceof ConfigError) {
        return { faults: rings.faults.map((each) => `${each.setting} ${each.problem}; ${each.remedy}`) }
      }
      return {
        // What was made for development, and what the settings have never had, stays.
        secrets: rings.jwtSecrets ?? config.jwtSecrets,
        privateKeys: rings.jwtPrivateKeys ?? config.jwtPrivateKeys ?? [],
        serverSecrets: rings.serverSecrets ?? config.serverSecrets,
      }
    },
  }
}

/** The settings whose file anybody on the machine can read. */
export function openKeyFiles(env?: Readonly<Record<string, string>>): string[] {
  return [...keyFiles(env)].flatMap(([setting, path]) => {
    const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0
    return (mode & 0o004) === 0 ? [] : [setting]
  })
}

function tryRead(env: Readonly<Record<string, string>> | undefined): KeyRings | ConfigError {
  try {
    return readKeyRings(env)
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
}
