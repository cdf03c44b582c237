import { html } from './html.ts'
import type { Page } from './layout.ts'
import type { Filled, TokenForm } from './parts.ts'
import { emailForm, tokenForm } from './parts.ts'

/**
 * Where the link of a verification letter leads. Only its button confirms: mail scanners open links, and press nothing.
 * @param form.action the path that takes the POST, on this very origin
 */
export function verifyPage(form: TokenForm): Page {
  return {
    title: 'Confirm your email address',
    main: html`<p>Press the button to confirm that this address is yours. That is all.</p>
${tokenForm(form, 'Confirm my address')}
<p class="small">You did not sign up? Then close this page. Nothing happens unless you press the button.</p>`,
  }
}

/** The answer to the button when the address is confirmed. */
export function verifiedPage(): Page {
  return {
    title: 'Your address is confirmed',
    main: html`<p>Thank you. You can sign in now; this page can be closed.</p>`,
  }
}

/**
 * The answer to the button when the link is spent, too old, or was never one of ours.
 * @param resend.action the path that takes a POST with `email`; without it the page only says where to ask
 */
export function linkInvalidPage(resend?: { readonly action: string }): Page {
  return {
    title: 'This link does not work any more',
    main: [
      html`<p>A link works once, and for three days. If you have used it before, your address is confirmed: just sign in.</p>
`,
      resend === undefined
        ? html`<p>If you have not, ask for a new letter where you signed up, and use the link in the newest one.</p>`
        : html`<p>If you have not, we will send you a new one.</p>
${emailForm(resend, 'Send a new letter')}`,
    ],
  }
}

/** The same form once more, for an address that cannot be one. */
export function resendPage(resend: { readonly action: string }, filled: Filled): Page {
  return {
    title: 'Ask for a new letter',
    main: html`<p>We will send you a new link by which you can confirm your address.</p>
${emailForm(resend, 'Send a new letter', filled)}`,
  }
}

/** The answer to the form for a new letter: the same for every address, whether or not anybody waits for one. */
export function letterAskedForPage(): Page {
  return {
    title: 'Look into your mailbox',
    main: html`<p>If an account waits for its address to be confirmed, a letter is on its way to it. It may take a few minutes.</p>
<p>Nothing came? Look into the folder for spam, and check that you entered the address that you signed up with.</p>`,
  }
}
