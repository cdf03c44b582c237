import work from '../core/bcrypt-worker.js'
import { AuthError } from '../core/errors.ts'
import type { OperatorNeeds } from '../core/operator.ts'
import { createPasswords } from '../core/password.ts'
import type { BcryptPool } from '../core/ports.ts'
import { createCommonPasswords } from '../plugins/common-passwords.ts'
import { openDatabase } from '../store/database.ts'
import { withStoreFailures } from '../store/failure.ts'
import { createOperatorStore } from '../store/operator.ts'
import { createStore } from '../store/store.ts'
import { EXIT, Failed } from './failed.ts'
import { readSome } from './settings.ts'

/** The verbs of operators, over the database of the service, with the settings that they need and no secrets. */
export interface Operator {
  readonly needs: OperatorNeeds
  readonly idleTtlSeconds: number
}

/** In this process: it does nothing else meanwhile. */
const ownThread: BcryptPool = {
  hash: async (input, cost) => String(await work({ input, cost })),
  async check(check) {
    const checked = await work(check)
    if (typeof checked === 'string') throw new Error('a check gave a hash')
    return checked
  },
}

/**
 * Opens the database, does the work and closes it.
 * @throws ConfigError, Failed in words for every lawful no
 */
export async function asOperator<T>(work: (operator: Operator) => Promise<T>): Promise<T> {
  // The life of a session is judged by all three of these together.
  const lives = ['ACCESS_TTL', 'REFRESH_TTL', 'REFRESH_IDLE_TTL']
  const config = readSome([
    'DATABASE_URL',
    'PASSWORD_MIN_LENGTH',
    'PASSWORD_HISTORY',
    'BCRYPT_COST',
    ...lives,
  ])
  if (config.databaseUrl === undefined)
    throw new Failed(EXIT.unavailable, 'Set DATABASE_URL: the database of the service.')
  const database = openDatabase({ url: config.databaseUrl, poolMax: 2, onIdleError: () => undefined })
  const needs: OperatorNeeds = {
    ...createStore(database, config.refreshIdleTtlSeconds),
    operator: withStoreFailures(createOperatorStore(database)),
    policy: config,
    passwords: createPasswords(ownThread, config.bcryptCost),
    commonPasswords: createCommonPasswords({ minLength: config.passwordMinLength }),
  }
  try {
    return await work({ needs, idleTtlSeconds: config.refreshIdleTtlSeconds })
  } catch (error) {
    throw error instanceof AuthError ? inWords(error) : error
  } finally {
    await database.close()
  }
}

function inWords(error: AuthError): Failed {
  switch (error.code) {
    case 'validation_failed': {
      const lines = Object.entries(error.fields ?? {}).flatMap(([field, faults]) =>
        faults.map((fault) => `${field}: ${fault}`),
      )
      return new Failed(EXIT.data, lines.join('\n'))
    }
    case 'account_disabled':
      return new Failed(EXIT.data, 'The account is disabled. Enable it first: keyturn users enable.')
    default:
      return new Failed(
        EXIT.unavailable,
        'The database of DATABASE_URL does not answer, or the account changed at this moment. Try again.',
      )
  }
}
