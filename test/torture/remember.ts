import type { ServerKeys } from '../../src/core/server-keys.ts'

/** More than all schedules of a run need; beyond it a MAC is made again. */
const REMEMBERED_MAX = 50_000

/** The same keys and the same MACs, each made once: hundreds of thousands of schedules ask for the same few. */
export function rememberMacs(keys: ServerKeys): ServerKeys {
  const known = new Map<string, Buffer>()
  const knownOfEach = new Map<string, Buffer[]>()
  const nameOf = (purpose: string, key: number, message: Buffer | string, length: number) =>
    `${purpose}:${key}:${length}:${typeof message === 'string' ? message : message.toString('latin1')}`

  const remembering: ServerKeys = {
    ...keys,
    mac(purpose, key, message, length = 32) {
      const name = nameOf(purpose, key, message, length)
      const mac = known.get(name) ?? keys.mac(purpose, key, message, length)
      if (known.size < REMEMBERED_MAX) known.set(name, mac)
      return mac
    },
    macWithCurrent: (purpose, message, length) => remembering.mac(purpose, keys.current, message, length),
    macWithEach(purpose, message, length = 32) {
      const name = nameOf(purpose, -1, message, length)
      const macs = knownOfEach.get(name) ?? keys.macWithEach(purpose, message, length)
      if (knownOfEach.size < REMEMBERED_MAX) knownOfEach.set(name, macs)
      return macs
    },
    verify(purpose, key, message, mac) {
      const made = known.get(nameOf(purpose, key, message, mac.length))
      return made === undefined ? keys.verify(purpose, key, message, mac) : made.equals(mac)
    },
  }
  return remembering
}
