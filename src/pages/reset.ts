import { html } from './html.ts'
import type { Page } from './layout.ts'
import type { Filled, TokenForm } from './parts.ts'
import { emailForm, faultsOf, marked } from './parts.ts'

/** Where somebody who has forgotten the password asks for a letter. */
export function requestResetPage(form: { readonly action: string }, filled?: Filled): Page {
  return {
    title: 'Forgotten your password?',
    main: html`<p>Enter the address that you signed up with. We will send you a link by which you can choose a new password.</p>
${emailForm(form, 'Send me a link', filled)}`,
  }
}

/** The answer: the same for every address, whether or not there is an account. */
export function resetAskedForPage(): Page {
  return {
    title: 'Look into your mailbox',
    main: html`<p>If there is an account with this address, a letter is on its way to it. Its link is good for an hour.</p>
<p>Nothing came? Look into the folder for spam, and check that you entered the address that you signed up with.</p>`,
  }
}

export interface ResetForm extends TokenForm {
  /** Whose password it is: password managers keep the new one under this name. */
  readonly username: string
  readonly passwordMinLength: number
}

/**
 * Where the link of a letter of reset leads. Opening it changes nothing.
 * @param faults what is wrong with the password that was sent
 */
export function resetPage(form: ResetForm, faults: readonly string[] = []): Page {
  const { action, token, username, passwordMinLength } = form
  return {
    title: 'Choose a new password',
    main: html`<form method="post" action="${action}">
<input type="hidden" name="token" value="${token}">
<label for="account">Account</label>
<input id="account" value="${username}" autocomplete="username" readonly>
<label for="password">New password</label>
<p class="hint" id="password-hint">At least ${passwordMinLength} characters. A few words in a row are easy to remember and hard to guess.</p>
${faultsOf('password', { faults })}<input id="password" name="password" type="password" autocomplete="new-password" required${marked('password', { faults }, 'password-hint')}>
<button type="submit">Change my password</button>
</form>
<p class="small">You will be signed out on every device. You did not ask for this? Then close this page: your password stays as it is.</p>`,
  }
}

/** The answer when the password is changed. */
export function resetDonePage(): Page {
  return {
    title: 'Your password is changed',
    main: html`<p>You have been signed out on every device. Sign in with the new password; this page can be closed.</p>`,
  }
}

/** The answer to a link that is spent, too old, or was never one of ours. */
export function resetLinkInvalidPage(form: { readonly action: string }): Page {
  return {
    title: 'This link does not work any more',
    main: html`<p>A link for a new password works once, for an hour, and only until the password or the address is changed. We will send you a new one.</p>
${emailForm(form, 'Send me a new link')}`,
  }
}
