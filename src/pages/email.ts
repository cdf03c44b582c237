import { html } from './html.ts'
import type { Page } from './layout.ts'
import type { TokenForm } from './parts.ts'
import { tokenForm } from './parts.ts'

/** Where the link leads that went to a new address. Only its button changes anything. */
export function confirmEmailPage(form: TokenForm): Page {
  return {
    title: 'Confirm your new email address',
    main: html`<p>Press the button, and the address that our letter went to becomes that of your account: later letters go there, and you sign in with it.</p>
${tokenForm(form, 'Use this address')}
<p class="small">You did not ask for this? Then close this page. Nothing happens unless you press the button.</p>`,
  }
}

/** The answer to the button. */
export function emailConfirmedPage(): Page {
  return {
    title: 'Your address is changed',
    main: html`<p>From now on letters go to your new address. This page can be closed.</p>`,
  }
}

/** The answer to the button when the link is spent, too old, outrun by a change, or was never one of ours. */
export function confirmEmailInvalidPage(): Page {
  return {
    title: 'This link does not work any more',
    main: html`<p>A link works once, for a day, and only until the password is changed. If you have used it before, your address is changed already.</p>
<p>If you have not, sign in and ask for the change again.</p>`,
  }
}

/** Where the link leads that went to the old address, for whoever did not want the change. */
export function undoEmailPage(form: TokenForm): Page {
  return {
    title: 'Keep your old email address?',
    main: html`<p>Somebody who knew your password has asked to change the address of your account. If that was not you, press the button:</p>
<ul>
<li>your old address stays, or comes back;</li>
<li>everybody is signed out, and the present password stops working;</li>
<li>you get a letter with a link to choose a new password.</li>
</ul>
${tokenForm(form, 'That was not me')}
<p class="small">It was you? Then close this page. Nothing happens unless you press the button.</p>`,
  }
}

/** The answer to the button. */
export function emailUndonePage(): Page {
  return {
    title: 'Your account is safe again',
    main: html`<p>Your old address is back, and everybody is signed out.</p>
<p>A letter is on its way to you. Its link lets you choose a new password; until then nobody can sign in.</p>`,
  }
}

/** The answer to the button when there is nothing left to undo. */
export function undoEmailInvalidPage(reset: { readonly path: string }): Page {
  return {
    title: 'There is nothing to undo',
    main: html`<p>This link is more than a week old, was used already, or the change that it is about never came to pass.</p>
<p>Still worried about your account? <a href="${reset.path}">Choose a new password</a>: that signs everybody out.</p>`,
  }
}
