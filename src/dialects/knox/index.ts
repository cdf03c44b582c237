import type { Dialect } from '../dialect.ts'
import type { Tongue } from '../drf/speak.ts'
import { refuseAsDrf, speakDrf } from '../drf/speak.ts'
import { DRF_WORDS, refusedSignIn } from '../drf/words.ts'
import { sessionActions } from './sessions.ts'
import { editUserAction, loadWidgetsAction, saveWidgetsAction, userAction } from './user.ts'

const TONGUE: Tongue = {
  name: 'knox',
  tag: 'knox: a dashboard of django-rest-knox',
  scheme: 'Token',
  challenge: 'Token',
  words: {
    ...DRF_WORDS,
    ...refusedSignIn({
      status: 400,
      body: { non_field_errors: ['Unable to log in with provided credentials.'] },
    }),
  },
}

/** The contract of a client of django-rest-knox. */
export function createKnox({ ttlSeconds }: { readonly ttlSeconds: number }): Dialect {
  const sessions = sessionActions({ ttlSeconds, singleToken: true })
  return {
    name: TONGUE.name,
    accessTtlSeconds: ttlSeconds,
    refuse: () => refuseAsDrf(TONGUE),
    mount(app) {
      const add = speakDrf(app, TONGUE)
      add('/login', 'Login', { POST: sessions.login })
      add('/register', 'Register', { POST: sessions.register })
      add('/logout', 'Logout', { POST: sessions.logout })
      add('/logoutall', 'Logout all', { POST: sessions.logoutAll })
      add('/user', 'User', { GET: userAction, PUT: editUserAction })
      add('/user/widgets', 'Widgets', { GET: loadWidgetsAction, POST: saveWidgetsAction })
    },
  }
}
