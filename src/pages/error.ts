import { html } from './html.ts'
import type { Page } from './layout.ts'

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
export function errorPage({ code, status, title, detail }: ErrorExplanation): Page {
  return {
    title,
    main: html`<p>${detail}</p>
<dl>
<dt>Code</dt><dd><code>${code}</code></dd>
<dt>Status</dt><dd>${status}</dd>
</dl>`,
  }
}

/** A refusal for somebody who has pressed a button on a page of ours. */
export function refusalPage({
  title,
  detail,
  requestId,
  retryAfterSeconds,
}: Pick<ErrorExplanation, 'title' | 'detail'> & {
  /** Under which the operator finds it in the log. */
  readonly requestId: string
  readonly retryAfterSeconds: number | undefined
}): Page {
  return {
    title,
    main: html`<p>${retryAfterSeconds === undefined ? detail : `Go back and try again ${waitOf(retryAfterSeconds)}.`}</p>
<p class="small">Should you ask anybody about this, tell them: <code>${requestId}</code></p>`,
  }
}

function waitOf(seconds: number): string {
  if (seconds <= 10) return 'in a moment'
  return seconds < 90 ? 'in a minute' : `in ${Math.ceil(seconds / 60)} minutes`
}
