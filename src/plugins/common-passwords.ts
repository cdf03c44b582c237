import fp from 'fastify-plugin'
import type { CommonPasswords } from '../core/ports.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly commonPasswords: CommonPasswords
  }
}

export interface CommonPasswordsPluginOptions {
  /** PASSWORD_MIN_LENGTH: what is shorter is refused anyway, and is not kept. */
  readonly minLength: number
}

/**
 * The list of zxcvbn-ts, most common first: passwords from breaches, in lower case, about 18,000 of them of 8
 * characters and more. Read when the first password is chosen, for a replica that only verifies never needs it.
 */
export function createCommonPasswords({ minLength }: CommonPasswordsPluginOptions): CommonPasswords {
  let reading: Promise<ReadonlySet<string>> | undefined

  async function read(): Promise<ReadonlySet<string>> {
    const { dictionary } = await import('@zxcvbn-ts/language-common')
    return new Set(dictionary['passwords-common'].filter((password) => [...password].length >= minLength))
  }

  return {
    async has(folded) {
      reading ??= read()
      return (await reading).has(folded)
    },
  }
}

/** That list, for the verbs of the service. */
export const commonPasswordsPlugin = fp<CommonPasswordsPluginOptions>(
  async (app, options) => {
    app.decorate('commonPasswords', createCommonPasswords(options))
  },
  { name: 'common-passwords' },
)
