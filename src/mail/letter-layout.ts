import type { LetterCatalogue, LetterWords } from './letters.ts'

/** The letter for readers of plain text. */
export function layOutText(words: LetterWords, link: string | undefined): string {
  const action = link === undefined ? [] : [`${words.action ?? ''}:\n${link}`]
  // "-- " and a space is what mail programs know a signature by.
  const { greeting, before, details = [], advice = [], after, footer } = words
  const lines = details.length === 0 ? [] : [details.map(detailLine).join('\n')]
  const paragraphs = [greeting, ...before, ...lines, ...advice, ...action, ...after, `-- \n${footer}`]
  return `${paragraphs.join('\n\n')}\n`
}

/**
 * The same letter in HTML: one column of paragraphs, no table and no picture. What must hold in mail programs that
 * throw the style sheet away stands on the elements; colours only stand in it, so that those have their own.
 */
export function layOutHtml(catalogue: LetterCatalogue, words: LetterWords, link: string | undefined): string {
  const paragraphs = (texts: readonly string[]) => texts.map((text) => paragraph(escapeHtml(text)))
  const { details = [], advice = [] } = words
  const lines = details.map((detail) => escapeHtml(detailLine(detail))).join('<br>\n')
  const action = link === undefined ? [] : linkLines(words.action ?? '', catalogue.orCopyTheLink, link)
  return `${[
    '<!doctype html>',
    `<html lang="${escapeHtml(catalogue.language)}">`,
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    '<meta name="supported-color-schemes" content="light dark">',
    `<title>${escapeHtml(words.subject)}</title>`,
    `<style>${STYLE}</style>`,
    '</head>',
    '<body>',
    `<div class="letter" style="${LETTER}">`,
    ...paragraphs([words.greeting, ...words.before]),
    ...(details.length === 0 ? [] : [`<p class="details" style="${DETAILS}">${lines}</p>`]),
    ...paragraphs(advice),
    ...action,
    ...paragraphs(words.after),
    `<p class="small" style="${SMALL}">${escapeHtml(words.footer)}</p>`,
    '</div>',
    '</body>',
    '</html>',
  ].join('\n')}\n`
}

function linkLines(label: string, orCopy: string, link: string): string[] {
  const href = escapeHtml(link)
  return [
    paragraph(`<a class="button" style="${BUTTON}" href="${href}" target="_blank">${escapeHtml(label)}</a>`),
    `<p class="small" style="${SMALL}">${escapeHtml(orCopy)}<br><a style="${ADDRESS}" href="${href}" target="_blank">${href}</a></p>`,
  ]
}

function detailLine([label, value]: readonly [string, string]): string {
  return `${label}: ${value}`
}

function paragraph(html: string): string {
  return `<p style="margin:0 0 16px">${html}</p>`
}

const LETTER =
  'max-width:560px;margin:0 auto;padding:24px;font:16px/1.5 system-ui,-apple-system,Segoe UI,Roboto,sans-serif'
const BUTTON =
  'display:inline-block;padding:12px 20px;border-radius:8px;background:#1d4ed8;color:#ffffff;font-weight:600;text-decoration:none'
const SMALL = 'margin:0 0 16px;font-size:14px'
const DETAILS = 'margin:0 0 16px;padding:8px 12px;border-left:4px solid #8a8a84;overflow-wrap:anywhere'
const ADDRESS = 'word-break:break-all'

const STYLE = `
:root { color-scheme: light dark; supported-color-schemes: light dark; }
body { margin: 0; padding: 16px 8px; background: #f4f4f2; color: #1c1c1a; }
.letter { background: #ffffff; border-radius: 12px; }
.small { color: #595955; }
a { color: #1d4ed8; }
@media (prefers-color-scheme: dark) {
  body { background: #161615; color: #ecece9; }
  .letter { background: #232321; }
  .small { color: #b3b3ad; }
  a { color: #93b4ff; }
}
`

/** For text and for attributes in quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
