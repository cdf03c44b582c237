import { createHash } from 'node:crypto'
import type { HtmlValue } from './html.ts'
import { Html, html } from './html.ts'
import { STYLE } from './style.ts'

/** Policies of a page that runs no script, loads nothing, and sends its forms only to where it came from. */
export const PAGE_HEADERS = pageHeaders(`'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`)

export interface Page {
  readonly title: string
  readonly main: HtmlValue
  /** Room for tables and lists instead of one narrow column. */
  readonly wide?: boolean
}

/** A whole page in English. It brings its own style and needs nothing else. */
export function layout({ title, main, wide = false }: Page): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<main${wide ? html` class="wide"` : undefined}>
<h1>${title}</h1>
${main}
</main>
</body>
</html>
`.source
}

/** Headers of a page whose CSP (Level 3) lets this much style in. */
export function pageHeaders(styleSource: string): Readonly<Record<string, string>> {
  const policy = [
    "default-src 'none'",
    `style-src ${styleSource}`,
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ]
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy.join('; '),
    // The address of a page may hold the token of a letter: it stays out of other logs, and out of caches.
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  }
}
