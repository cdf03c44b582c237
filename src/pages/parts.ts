import type { Html } from './html.ts'
import { html } from './html.ts'

/** A form of one button that sends the token of a letter to the path `action`, on this very origin. */
export function tokenForm({ action, token }: TokenForm, label: string): Html {
  return html`<form method="post" action="${action}">
<input type="hidden" name="token" value="${token}">
<button type="submit">${label}</button>
</form>`
}

export interface TokenForm {
  readonly action: string
  readonly token: string
}

/**
 * A form that asks for an address and sends it to `action` as `email`.
 * @param faults what is wrong with the one that was sent
 */
export function emailForm({ action }: { readonly action: string }, label: string, filled?: Filled): Html {
  return html`<form method="post" action="${action}">
<label for="email">Your email address</label>
${faultsOf('email', filled)}<input id="email" name="email" type="email" value="${filled?.value ?? ''}" autocomplete="email" required maxlength="254"${marked('email', filled)}>
<button type="submit">${label}</button>
</form>`
}

/** A field that came back: what stood in it, and what is wrong with that. */
export interface Filled {
  readonly value: string
  readonly faults: readonly string[]
}

/** What is wrong with the field, read out when the page opens. */
export function faultsOf(id: string, filled: Pick<Filled, 'faults'> | undefined): Html | undefined {
  if (filled === undefined || filled.faults.length === 0) return undefined
  return html`<p class="fault" id="${id}-fault" role="alert">${filled.faults.join(' ')}</p>
`
}

/** Ties a field to its hint and its faults, and brings whoever has to correct it straight there. */
export function marked(
  id: string,
  filled: Pick<Filled, 'faults'> | undefined,
  hint?: string,
): Html | undefined {
  const isFaulty = filled !== undefined && filled.faults.length > 0
  const told = [...(hint === undefined ? [] : [hint]), ...(isFaulty ? [`${id}-fault`] : [])]
  if (told.length === 0) return undefined
  return html` aria-describedby="${told.join(' ')}"${isFaulty ? html` aria-invalid="true" autofocus` : undefined}`
}
