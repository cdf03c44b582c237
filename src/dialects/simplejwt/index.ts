import type { Dialect } from '../dialect.ts'
import type { Tongue } from '../drf/speak.ts'
import { refuseAsDrf, speakDrf } from '../drf/speak.ts'
import { DRF_WORDS, detail, refusedSignIn, tokenWords } from '../drf/words.ts'
import { accountActions } from './account.ts'
import { activationActions } from './activation.ts'
import { uidOf } from './links.ts'
import { registerAction } from './register.ts'
import { resetActions } from './reset.ts'
import { emailByUsernameAction, registrationStatusAction } from './reveal.ts'
import { sessionActions } from './sessions.ts'
import { tokenActions } from './tokens.ts'

export interface SimplejwtSettings {
  readonly simplejwtRotate: boolean
  readonly simplejwtStatusRefresh: boolean
  readonly simplejwtRevealAccounts: boolean
  readonly simplejwtActivateByGet: boolean
  /** The page that follows an activation. */
  readonly activatedUrl: string
  /** The page for a new password, which brings `?uid=…&token=…`; `undefined` for ours. */
  readonly resetUrl: string | undefined
}

const NO_ACTIVE_ACCOUNT = detail(
  401,
  'No active account found with the given credentials',
  'no_active_account',
)

const BAD_TOKEN = {
  status: 401,
  body: {
    detail: 'Given token not valid for any token type',
    code: 'token_not_valid',
    messages: [{ token_class: 'AccessToken', token_type: 'access', message: 'Token is invalid or expired' }],
  },
}
const BAD_HEADER = detail(
  401,
  'Authorization header must contain two space-delimited values',
  'bad_authorization_header',
)

const TONGUE: Tongue = {
  name: 'simplejwt',
  tag: 'simplejwt: djangorestframework-simplejwt',
  scheme: 'Bearer',
  challenge: 'Bearer realm="api"',
  words: {
    ...DRF_WORDS,
    ...refusedSignIn(NO_ACTIVE_ACCOUNT),
    link_invalid: { status: 401, body: { error: 'Unauthorized' } },
    invalid_token: tokenWords(BAD_TOKEN, { none: BAD_HEADER, many: BAD_HEADER }),
  },
}

/** The contract of a client of djangorestframework-simplejwt, and of the endpoints that stand around it in miniSASS. */
export function createSimplejwt(settings: SimplejwtSettings & { readonly resetPage: string }): Dialect {
  return {
    name: TONGUE.name,
    refuse: () => refuseAsDrf(TONGUE),
    letterLinks({ prefix, publicUrl }) {
      const base = publicUrl + prefix
      return {
        verifyEmail: (userId, token) => `${base}/activate/${uidOf(userId)}/${token}/`,
        resetPassword: (userId, token) => `${base}/verify-password-reset/${uidOf(userId)}/${token}/`,
      }
    },
    mount(app, { prefix, publicUrl }) {
      const add = speakDrf(app, TONGUE)
      const tokens = tokenActions({ rotates: settings.simplejwtRotate })
      const sessions = sessionActions({
        rotates: settings.simplejwtRotate,
        statusGivesRefresh: settings.simplejwtStatusRefresh,
      })
      const account = accountActions()
      const reset = resetActions(settings.resetUrl ?? settings.resetPage)
      const activation = activationActions({
        byGet: settings.simplejwtActivateByGet,
        activatedUrl: settings.activatedUrl,
        base: new URL(publicUrl).pathname.replace(/\/$/, '') + prefix,
      })

      add('/token', 'Token Obtain Pair', { POST: tokens.obtain })
      add('/token/refresh', 'Token Refresh', { POST: tokens.refresh })
      add('/refresh', 'Token Refresh', { POST: tokens.refresh })
      add('/token/verify', 'Token Verify', { POST: tokens.verify })
      add('/token/blacklist', 'Token Blacklist', { POST: tokens.blacklist })
      add('/login', 'User Login', { POST: sessions.login })
      add('/check-auth-status', 'Check Authentication Status', { GET: sessions.status })
      add('/logout', 'User Logout', { POST: sessions.logout })
      add('/register', 'Register', { POST: registerAction })
      add('/activate/:uid/:token', 'Activate Account', activation)
      add('/request-reset', 'Request Password Reset', { POST: reset.request })
      add('/verify-password-reset/:uid/:token', 'Verify Password Reset', { GET: reset.verify })
      add('/update-password-reset/:uid/:token', 'Update Password', { POST: reset.update })
      add('/user/update', 'Update User', { GET: account.show, POST: account.edit })
      add('/user/password/update', 'Update Password', { POST: account.password })
      if (settings.simplejwtRevealAccounts) {
        add('/retrieve-email-by-username/:username', 'Retrieve Email By Username', {
          GET: emailByUsernameAction,
        })
        add('/check-registration-status/:email', 'Check Registration Status', {
          GET: registrationStatusAction,
        })
      }
    },
  }
}
