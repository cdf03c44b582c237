import type { MailboxMessage } from '../core/ports.ts'
import type { Html } from './html.ts'
import { html } from './html.ts'
import type { Page } from './layout.ts'

/** More would take the browser longer than anybody reads. */
const SHOWN = 50

/**
 * Letters that would have been sent, to be read instead.
 * @param messages newest first
 * @param to the address that they were searched by, if any
 */
export function mailboxPage(messages: readonly MailboxMessage[], to = ''): Page {
  return {
    title: 'Mailbox',
    wide: true,
    framesLetters: true,
    main: html`<p>There is no SMTP_URL, so letters come here and go nowhere else.</p>
<form method="get">
<label for="to">Only letters to</label>
<input id="to" name="to" type="search" value="${to}" autocomplete="off" spellcheck="false">
<button type="submit">Show</button>
</form>
${
  messages.length === 0
    ? html`<p>No letter yet. Sign somebody up, and press Show.</p>`
    : html`<ul class="letters">${messages.slice(0, SHOWN).map(letter)}</ul>`
}
${messages.length > SHOWN ? html`<p class="small">These are the newest ${SHOWN} of ${messages.length}.</p>` : undefined}`,
  }
}

function letter({ to, subject, sentAt, text, html: body, links }: MailboxMessage): Html {
  const sent = new Date(sentAt).toISOString()
  return html`
<li>
<h2>${subject}</h2>
<p class="small">to ${to}, <time datetime="${sent}">${sent.slice(0, 19).replace('T', ' ')} UTC</time></p>
${links.filter(isWebAddress).map((link) => html`<p><a href="${link}">${link}</a></p>`)}
<details><summary>As text</summary><pre>${text}</pre></details>
<details><summary>As HTML</summary><iframe title="${subject}" loading="lazy" sandbox="allow-popups allow-popups-to-escape-sandbox" srcdoc="${body}"></iframe></details>
</li>`
}

function isWebAddress(link: string): boolean {
  return /^https?:\/\//i.test(link)
}
