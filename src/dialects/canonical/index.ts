import { endpoint } from '../../plugins/endpoint.ts'
import { isGrant } from '../../plugins/guards.ts'
import { requireAccessToken } from '../bearer.ts'
import type { Dialect } from '../dialect.ts'
import { refuseWithOAuthError } from '../oauth/errors.ts'
import { changeEmailAction, emailLinkActions } from './change-email.ts'
import { changePasswordAction } from './change-password.ts'
import { checkAuthStatusAction } from './check-auth-status.ts'
import { refuseWithProblem } from './errors.ts'
import { listEventsAction } from './events.ts'
import { logoutAction, logoutAllAction } from './logout.ts'
import { refreshAction } from './refresh.ts'
import { registerAction } from './register.ts'
import { resetActions } from './reset.ts'
import { endSessionAction, listSessionsAction } from './sessions.ts'
import { tokenAction } from './token.ts'
import { deleteUserAction, editUserAction, userAction } from './user.ts'
import { verifyEmailActions } from './verify-email.ts'
import { loadWidgetsAction, saveWidgetsAction } from './widgets.ts'

/** Keyturn's own contract. */
export const canonical: Dialect = {
  name: 'canonical',
  refuse({ publicUrl, prefix }) {
    const refuse = refuseWithProblem(publicUrl)
    return (refusal, request, reply) =>
      request.routeOptions.url === `${prefix}/token` && isGrant(request.body)
        ? refuseWithOAuthError(refusal, request, reply)
        : refuse(refusal, request, reply)
  },
  mount(app, { prefix, publicUrl, passwordMinLength, cookie, audiences }) {
    const manner = {
      name: 'canonical',
      tag: 'Sessions and accounts',
      requireAccessToken: requireAccessToken('Bearer'),
      refuse: refuseWithProblem(publicUrl),
    }
    // Where a browser finds the dialect: a proxy may have taken the path of PUBLIC_URL off.
    const base = new URL(publicUrl).pathname.replace(/\/$/, '') + prefix
    const verify = verifyEmailActions(base)
    const reset = resetActions({ base, passwordMinLength })
    const email = emailLinkActions(base)
    if (cookie !== undefined) app.addHook('onRequest', cookie.watch)

    endpoint(app, manner, '/register', 'Register', { POST: registerAction(cookie) })
    endpoint(app, manner, '/verify-email', 'Verify e-mail', verify.link)
    endpoint(app, manner, '/resend-verification', 'Resend verification', { POST: verify.resend })
    endpoint(app, manner, '/token', 'Token', { POST: tokenAction(cookie, audiences) })
    endpoint(app, manner, '/refresh', 'Refresh', { POST: refreshAction(cookie, audiences) })
    endpoint(app, manner, '/check-auth-status', 'Check auth status', { GET: checkAuthStatusAction })
    endpoint(app, manner, '/logout', 'Logout', { POST: logoutAction(cookie) })
    endpoint(app, manner, '/logoutall', 'Logout everywhere', { POST: logoutAllAction(cookie) })
    endpoint(app, manner, '/sessions', 'Sessions', { GET: listSessionsAction })
    endpoint(app, manner, '/sessions/:id', 'Session', { DELETE: endSessionAction(cookie) })
    endpoint(app, manner, '/user', 'User', {
      GET: userAction,
      PUT: editUserAction('PUT'),
      PATCH: editUserAction('PATCH'),
      DELETE: deleteUserAction(cookie),
    })
    endpoint(app, manner, '/user/widgets', 'Widgets', { GET: loadWidgetsAction, POST: saveWidgetsAction })
    endpoint(app, manner, '/user/events', 'Events', { GET: listEventsAction })
    endpoint(app, manner, '/change-password', 'Change password', { POST: changePasswordAction })
    endpoint(app, manner, '/change-email', 'Change e-mail', { POST: changeEmailAction })
    endpoint(app, manner, '/confirm-email', 'Confirm e-mail', email.confirm)
    endpoint(app, manner, '/undo-email', 'Undo change of e-mail', email.undo)
    endpoint(app, manner, '/request-reset', 'Request reset', { GET: reset.requestPage, POST: reset.request })
    endpoint(app, manner, '/reset', 'Reset', { GET: reset.page, POST: reset.reset })
  },
}
