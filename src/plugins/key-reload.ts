import { stat } from 'node:fs/promises'
import fp from 'fastify-plugin'
import type { ServerKeyRing } from '../core/server-keys.ts'
import type { JwtAlgorithm, JwtKeys } from './jwt-ring.ts'
import { hasLost, keyStates } from './key-states.ts'
import { createCounter, createGauge } from './metric-kinds.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly keyReload: KeyReload
  }
}

export interface KeyReload {
  /** Reads the keys again; false where they are wrong, and the old ones stay in use. Never rejects. */
  now(): Promise<boolean>
}

/** Where keys come from. */
export interface KeySource {
  /** Paths of the files that are watched. */
  readonly files: readonly string[]
  /** The keys as they are now, or what is wrong with them, a sentence a fault. */
  read(): JwtKeys | { readonly faults: readonly string[] }
}

export interface KeyReloadPluginOptions {
  readonly source: KeySource
  /** In use since the start. */
  readonly keys: JwtKeys
  readonly serverKeys: ServerKeyRing
  readonly algorithm: JwtAlgorithm
}

const LOOK_EVERY_MS = 500

/**
 * Keys that change while the service runs: when it is told, and when one of their files was replaced. The files are
 * looked at twice a second, not by the notices of the system, which see neither a link that is swapped behind another
 * link, as Kubernetes does it, nor a file on the disk of another machine.
 */
export const keyReloadPlugin = fp<KeyReloadPluginOptions>(
  async (app, { source, keys, serverKeys, algorithm }) => {
    let present = keys
    let last = Promise.resolve(true)
    const reloads = app.metrics.add(
      createCounter(
        'keyturn_key_reloads_total',
        'Times the keys were read again, by outcome: refused where they were wrong.',
        [{ outcome: 'done' }, { outcome: 'refused' }],
      ),
    )
    const [done, refused] = [reloads.of({ outcome: 'done' }), reloads.of({ outcome: 'refused' })]
    app.metrics.add(
      createGauge(
        'keyturn_key',
        'The keys in use, by setting and kid: 1 for one that signs, 0 for one that only verifies.',
        () =>
          keyStates(present, algorithm).map(
            ({ setting, kid, signs }) => [{ setting, kid }, signs ? 1 : 0] as const,
          ),
      ),
    )

    async function reload(): Promise<boolean> {
      try {
        const read = source.read()
        if ('faults' in read) {
          refused.add()
          app.log.error(
            { faults: read.faults },
            'the keys are wrong and were not changed: the old ones stay in use',
          )
          return false
        }
        const use = await app.jwtKeyring.prepare(read)
        // Nothing waits between these: a request finds either all of the old keys or all of the new ones.
        serverKeys.replace(read.serverSecrets)
        use()
        if (hasLost(present, read)) app.accessTokens.forget()
        present = read
        done.add()
        app.log.info({ keys: keyStates(read, algorithm) }, 'the keys were read again')
        return true
      } catch (error) {
        refused.add()
        app.log.error({ err: error }, 'the keys could not be read again: the old ones stay in use')
        return false
      }
    }

    app.decorate('keyReload', {
      now() {
        // One after the other: what was read last must be what is used in the end.
        last = last.then(reload)
        return last
      },
    } satisfies KeyReload)

    let timer: NodeJS.Timeout | undefined
    let closed = false
    let used = await stateOf(source.files)
    let seen = used
    async function look(): Promise<void> {
      const found = await stateOf(source.files)
      // Only what has stood still for one round is read: a file that is being written is half a ring.
      if (found !== used && found === seen) {
        used = found
        await app.keyReload.now()
      }
      seen = found
      if (!closed) timer = setTimeout(look, LOOK_EVERY_MS).unref()
    }
    if (source.files.length > 0) timer = setTimeout(look, LOOK_EVERY_MS).unref()
    app.addHook('onClose', () => {
      closed = true
      clearTimeout(timer)
    })
  },
  { name: 'key-reload', dependencies: ['jwt', 'auth', 'metrics'] },
)

/** Changes whenever a file is replaced, written or gone; links are followed to their end. */
async function stateOf(files: readonly string[]): Promise<string> {
  const states = await Promise.all(
    files.map(async (file) => {
      try {
        const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true })
        return [dev, ino, size, mtimeNs, ctimeNs].join(':')
      } catch {
        return 'none'
      }
    }),
  )
  return states.join(' ')
}
