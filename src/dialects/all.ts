import type { FastifyInstance } from 'fastify'
import type { LetterLinks } from '../core/letter-ports.ts'
import { createAuthtoken } from './authtoken.ts'
import { canonical } from './canonical/index.ts'
import type { Dialect, DialectOptions } from './dialect.ts'
import { mountDialect } from './dialect.ts'
import { createKnox } from './knox/index.ts'
import { createSignup } from './signup.ts'
import type { SimplejwtSettings } from './simplejwt/index.ts'
import { createSimplejwt } from './simplejwt/index.ts'

/** What the operator has decided about dialects. */
export interface DialectSettings
  extends Omit<DialectOptions, 'prefix' | 'cookie' | 'audiences'>,
    SimplejwtSettings {
  /** Prefixes as DIALECTS has them: `/`, or a path without a slash at its end. */
  readonly dialects: readonly { readonly name: DialectName; readonly prefix: string }[]
  readonly accessTtlSeconds: number
  readonly authtokenTtlSeconds: number
  readonly signupTtlSeconds: number
  readonly knoxTtlSeconds: number
}

export type DialectName = 'canonical' | 'authtoken' | 'signup' | 'simplejwt' | 'knox'

/** A dialect and where it is mounted: empty, or a path without a slash at its end. */
export interface Mount {
  readonly dialect: Dialect
  readonly prefix: string
}

const MAKERS: Readonly<Record<DialectName, (settings: DialectSettings) => Dialect>> = {
  canonical: () => canonical,
  authtoken: ({ authtokenTtlSeconds: ttlSeconds }) => createAuthtoken({ ttlSeconds }),
  signup: ({ signupTtlSeconds: ttlSeconds }) => createSignup({ ttlSeconds }),
  simplejwt: (settings) => createSimplejwt({ ...settings, resetPage: `${homeOf(settings)}/reset` }),
  knox: ({ knoxTtlSeconds: ttlSeconds }) => createKnox({ ttlSeconds }),
}

/** Where our own pages are. */
export function homeOf({ publicUrl, dialects }: Pick<DialectSettings, 'publicUrl' | 'dialects'>): string {
  const prefix = dialects.find(({ name }) => name === 'canonical')?.prefix ?? '/'
  return publicUrl + (prefix === '/' ? '' : prefix)
}

/** The dialects that are mounted, in the order of DIALECTS. */
export function createDialects(settings: DialectSettings): Mount[] {
  return settings.dialects.map(({ name, prefix }) => ({
    dialect: MAKERS[name](settings),
    prefix: prefix === '/' ? '' : prefix,
  }))
}

/** The longest life of an access token of any dialect that is mounted, seconds. */
export function longestAccessTtl(
  { accessTtlSeconds }: Pick<DialectSettings, 'accessTtlSeconds'>,
  mounts: readonly Mount[],
): number {
  return Math.max(accessTtlSeconds, ...mounts.map(({ dialect }) => dialect.accessTtlSeconds ?? 0))
}

/** Where the links of letters lead: to our pages or those of the operator, and as dialects write them for their clients. */
export function letterLinks(
  settings: Pick<DialectSettings, 'publicUrl' | 'dialects'> & {
    readonly verifyUrl: string | undefined
    readonly resetUrl: string | undefined
  },
  mounts: readonly Mount[],
) {
  const { publicUrl } = settings
  const home = homeOf(settings)
  return {
    verifyUrl: settings.verifyUrl ?? `${home}/verify-email`,
    resetUrl: settings.resetUrl ?? `${home}/reset`,
    requestResetUrl: `${home}/request-reset`,
    changeEmailUrl: `${home}/confirm-email`,
    undoEmailUrl: `${home}/undo-email`,
    own: new Map(
      mounts.flatMap(({ dialect, prefix }): [string, LetterLinks][] => {
        const links = dialect.letterLinks?.({ prefix, publicUrl })
        return links === undefined ? [] : [[dialect.name, links]]
      }),
    ),
  }
}

/**
 * Mounts them all.
 * @throws DialectError where two of them claim the same path
 */
export async function mountDialects(
  app: FastifyInstance,
  mounts: readonly Mount[],
  options: Omit<DialectOptions, 'prefix'>,
): Promise<void> {
  const claims = new Map<string, string>()
  try {
    for (const { dialect, prefix } of mounts) await mountDialect(app, dialect, { ...options, prefix }, claims)
  } catch (error) {
    // Nobody else has it in hand yet, and its connections would break one by one when the process ends.
    await app.close().catch(() => undefined)
    throw error
  }
}
