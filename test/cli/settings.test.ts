import t from 'tap'
import { readSome } from '../../src/cli/settings.ts'
import { ConfigError } from '../../src/config.ts'

const WANTED = ['DATABASE_URL', 'BCRYPT_COST']

t.test(
  'a verb that needs some settings is not stopped by the others, and is told all that is wrong with its own',
  (t) => {
    const env = {
      NODE_ENV: 'production',
      DATABASE_URL: 'postgresql://db/keyturn',
      PORT: 'none',
      SMTP_URL: 'x',
    }
    t.equal(readSome(WANTED, env).databaseUrl, env.DATABASE_URL)
    t.equal(readSome(WANTED, env).bcryptCost, 12)
    t.equal(readSome(WANTED, { NODE_ENV: 'production' }).databaseUrl, undefined)
    try {
      readSome(WANTED, { ...env, DATABASE_URL: 'mysql://db', BCRYPT_COST: '99' })
      t.fail('it was accepted')
    } catch (error) {
      const faults = error instanceof ConfigError ? error.faults : []
      t.strictSame(
        faults.map(({ setting }) => setting),
        WANTED,
      )
    }
    t.end()
  },
)
