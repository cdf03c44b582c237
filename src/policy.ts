import type { Config } from './config.ts'
import type { Policy } from './core/policy.ts'
import { ownMailOf } from './mail/sender.ts'

/** The settings that the core decides by, under its own names. */
export function policyOf(config: Config): Policy {
  return {
    accessTtlSeconds: config.accessTtlSeconds,
    refreshTtlSeconds: config.refreshTtlSeconds,
    refreshIdleTtlSeconds: config.refreshIdleTtlSeconds,
    refreshGraceSeconds: config.refreshGraceSeconds,
    refreshReplay: config.refreshReplay,
    registration: config.registration,
    emailVerification: config.emailVerification,
    passwordMinLength: config.passwordMinLength,
    bcryptCost: config.bcryptCost,
    passwordHistory: config.passwordHistory,
    limitsLogins: config.rateLimit,
    ownMail: ownMailOf(config.mailFrom),
    audiences: config.jwtAudienceKeys,
  }
}
