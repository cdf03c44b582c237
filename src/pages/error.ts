import { html } from './html.ts'
import { layout } from './layout.ts'

/** What the page of an error code says: the same words that the answer itself brings. */
export interface ErrorExplanation {
  /** As in the member `code` of the answer. */
  readonly code: string
  readonly status: number
  readonly title: string
  /** What happened, and what to do about it. */
  readonly detail: string
}

/** Where the `type` of a problem leads (RFC 9457, 3.1.1): for the developer whose client met it. */
export function errorPage({ code, status, title, detail }: ErrorExplanation): string {
  return layout({
    title,
    main: html`<p>${detail}</p>
<dl>
<dt>Code</dt><dd><code>${code}</code></dd>
<dt>Status</dt><dd>${status}</dd>
</dl>`,
  })
}
