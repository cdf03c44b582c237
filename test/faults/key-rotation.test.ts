import t from 'tap'
import { newSecret } from '../helpers/keys.ts'
import { rotateUnderLoad } from '../helpers/rotate-under-load.ts'

t.test(
  'shared keys rotate under load at two replicas: no token is refused, and no process starts again',
  (t) =>
    rotateUnderLoad(t, {
      setting: 'JWT_SECRETS_FILE',
      settings: {},
      make: newSecret,
      write: (...keys) => keys.join(','),
    }),
)
