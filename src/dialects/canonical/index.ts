import { endpoint } from '../../plugins/endpoint.ts'
import { requireAccessToken } from '../bearer.ts'
import type { Dialect } from '../dialect.ts'
import { checkAuthStatusAction } from './check-auth-status.ts'
import { refuseWithProblem } from './errors.ts'
import { logoutAction, logoutAllAction } from './logout.ts'
import { refreshAction } from './refresh.ts'
import { registerAction } from './register.ts'
import { tokenAction } from './token.ts'
import { userAction } from './user.ts'
import { verifyEmailActions } from './verify-email.ts'

/** Keyturn's own contract. */
export const canonical: Dialect = {
  name: 'canonical',
  refuse: ({ publicUrl }) => refuseWithProblem(publicUrl),
  mount(app, options) {
    const manner = {
      name: 'canonical',
      tag: 'Sessions and accounts',
      requireAccessToken: requireAccessToken('Bearer'),
      refuse: refuseWithProblem(options.publicUrl),
    }
    const verifyEmail = verifyEmailActions(
      new URL(options.publicUrl).pathname.replace(/\/$/, '') + options.prefix,
    )
    endpoint(app, manner, '/register', 'Register', { POST: registerAction })
    endpoint(app, manner, '/verify-email', 'Verify e-mail', {
      GET: verifyEmail.page,
      POST: verifyEmail.confirm,
    })
    endpoint(app, manner, '/resend-verification', 'Resend verification', { POST: verifyEmail.resend })
    endpoint(app, manner, '/token', 'Token', { POST: tokenAction })
    endpoint(app, manner, '/refresh', 'Refresh', { POST: refreshAction })
    endpoint(app, manner, '/check-auth-status', 'Check auth status', { GET: checkAuthStatusAction })
    endpoint(app, manner, '/logout', 'Logout', { POST: logoutAction })
    endpoint(app, manner, '/logoutall', 'Logout everywhere', { POST: logoutAllAction })
    endpoint(app, manner, '/user', 'User', { GET: userAction })
  },
}
