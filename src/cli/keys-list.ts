import { readKeyRings } from '../config.ts'
import { openKeyFiles } from '../key-source.ts'
import { keyStates } from '../plugins/key-states.ts'
import type { KeyReport } from './keys.ts'

/** `keyturn keys list`: the keys that the environment names, and nothing of what they are. */
export async function listKeys(): Promise<KeyReport> {
  const { jwtAlgorithm, jwtSecrets = [], serverSecrets = [], jwtPrivateKeys = [] } = readKeyRings()
  const rings = { secrets: jwtSecrets, serverSecrets, privateKeys: jwtPrivateKeys }
  const keys = keyStates(rings, jwtAlgorithm)
  const open = openKeyFiles()
  const rows = keys.map(({ setting, kid, algorithm = '', signs }) =>
    [setting.padEnd(22), kid.padEnd(24), algorithm.padEnd(6), signs ? 'signs' : 'verifies'].join(' '),
  )
  return {
    lines: [
      ...(rows.length > 0 ? rows : ['No key is set. Outside production keys are made in DATA_DIR.']),
      ...open.map((setting) => `${setting}: everybody on this machine can read that file.`),
    ],
    object: { keys, readable_by_everybody: open },
  }
}
