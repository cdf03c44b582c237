import { createHash } from 'node:crypto'
import type { HtmlValue } from './html.ts'
import { Html, html } from './html.ts'
import { STYLE } from './style.ts'

export interface Page {
  readonly title: string
  readonly main: HtmlValue
  /** Room for tables and lists instead of one narrow column. */
  readonly wide?: boolean
  /** Frames inherit the policy, and letters bring style on every element. For developers only. */
  readonly framesLetters?: boolean
  /** An origin that the answer to a form of this page leads to: browsers hold redirects to the policy too. */
  readonly formsLeadTo?: string
}

/** How every page looks: our style and, after it, that of whoever runs the service. */
export interface Look {
  readonly style: string
  /** Of the style, as a policy names it. */
  readonly styleHash: string
  /** Whether the style may bring pictures and fonts of its own, as `data:` URLs. */
  readonly hasOwnStyle: boolean
}

/** @param ownStyle CSS without `</style`, as the configuration has seen to */
export function createLook(ownStyle = ''): Look {
  // As HTML reads it: the browser hashes what it has read.
  const own = ownStyle.replace(/\r\n?/g, '\n')
  const style = own === '' ? STYLE : `${STYLE}\n${own}`
  const styleHash = `'sha256-${createHash('sha256').update(style).digest('base64')}'`
  return { style, styleHash, hasOwnStyle: own !== '' }
}

/** A whole page in English. It brings its own style and needs nothing else. */
export function layout({ title, main, wide = false }: Page, { style }: Look): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title}</title>
<style>${new Html(style)}</style>
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

/** Policies (CSP Level 3) of a page that runs no script, loads nothing, and sends its forms only to where it came from. */
export function pageHeaders(
  { framesLetters = false, formsLeadTo }: Page,
  look: Look,
): Readonly<Record<string, string>> {
  const policy = [
    "default-src 'none'",
    `style-src ${framesLetters ? "'unsafe-inline'" : look.styleHash}`,
    ...(look.hasOwnStyle ? ['img-src data:', 'font-src data:'] : []),
    `form-action 'self'${formsLeadTo === undefined ? '' : ` ${formsLeadTo}`}`,
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
