import t from 'tap'
import { newPrivateJwk } from '../helpers/keys.ts'
import { rotateUnderLoad } from '../helpers/rotate-under-load.ts'

t.test(
  'private keys rotate under load at two replicas: no token is refused, and no process starts again',
  (t) =>
    rotateUnderLoad(t, {
      setting: 'JWT_PRIVATE_KEYS_FILE',
      settings: { JWT_ALGORITHM: 'EdDSA' },
      make: (kid) => JSON.stringify(newPrivateJwk('EdDSA', kid)),
      write: (...keys) => `{"keys":[${keys.join(',')}]}`,
    }),
)
