import t from 'tap'
import { en } from '../../src/mail/letters.en.ts'
import type { Letter } from '../../src/mail/letters.ts'
import { alreadyRegisteredLetter, friendlyName, verifyEmailLetter } from '../../src/mail/letters.ts'

const LINK = 'https://auth.example.com/verify?from="letter"&token=abc'
const facts = { username: 'ada', site: 'auth.example.com', link: LINK, goodForSeconds: 3 * 24 * 3600 - 2 }
const verify = (changes: Partial<typeof facts> = {}) => verifyEmailLetter(en, { ...facts, ...changes })
const already = (username = 'ada') => alreadyRegisteredLetter(en, { username, site: 'auth.example.com' })

const HOSTILE_NAMES = [
  'ada\r\nBcc: eve@evil.example',
  '<a href=//evil.example>win</a>',
  'Click http://evil.example/now',
  'www.evil.example',
  'evil.example',
  'javascript:alert(1)',
  '"onmouseover="alert(1)',
  '{{7*7}}<%= 7 %>',
  '\u202Eada\u0000\u200B',
  'a'.repeat(5000),
  '<script>alert(1)</script>@example.com',
]

t.test('text and HTML of a letter say the same, in the same order', async (t) => {
  for (const letter of [verify(), already()]) {
    const paragraphs = letter.text
      .replace(`\n${LINK}`, '')
      .replace('-- \n', '')
      .trim()
      .split(/:?\n\n/)
    const places = paragraphs.map((paragraph) => readable(letter.html).indexOf(paragraph))
    t.notOk(places.includes(-1), `each of ${paragraphs.length} paragraphs stands in the HTML`)
    t.strictSame(
      places,
      places.toSorted((a, b) => a - b),
    )
  }
})

t.test(
  'the verification letter brings its link: bare in the text, as button and to be copied in the HTML',
  async (t) => {
    const { text, html, links } = verify()
    t.strictSame(links, [LINK])
    t.equal(text.split('\n').filter((line) => line === LINK).length, 1)
    const hrefs = [...html.matchAll(/href="([^"]*)"/g)].map(([, href]) => unescaped(href ?? ''))
    t.strictSame(hrefs, [LINK, LINK])
    t.ok(readable(html).includes(LINK))
  },
)

t.test('the note to the owner of an address brings no link at all', async (t) => {
  const { text, html, links } = already()
  t.strictSame(links, [])
  t.notMatch(text + html, /https?:|href|<a /)
})

t.test(
  'a name from a stranger is no link, no markup, no header and no essay, wherever it stands',
  async (t) => {
    for (const username of HOSTILE_NAMES) {
      for (const [letter, harmless] of [
        [verify({ username }), verify()],
        [already(username), already()],
      ] as const) {
        t.equal(letter.subject, harmless.subject)
        t.strictSame(tagsOf(letter), tagsOf(harmless))
        const greeting = letter.text.slice(0, letter.text.indexOf('\n'))
        t.match(greeting, /^Hello( [\p{L}\p{N}_'+ -]{1,40}…?)?,$/u, greeting)
        t.equal(letter.text.slice(greeting.length), harmless.text.slice('Hello ada,'.length))
      }
    }
  },
)

t.test('an ordinary name is greeted as its owner wrote it', async (t) => {
  const greeted = {
    ada: 'ada',
    'ada.lovelace': 'ada lovelace',
    'ada@example.com': 'ada',
    "Zoë_O'Hara-1": "Zoë_O'Hara-1",
  }
  for (const [username, name] of Object.entries(greeted)) t.equal(friendlyName(username), name)
  t.equal(friendlyName('山田'), '山田')
  t.match(verify({ username: '...' }).text, /^Hello,\n/)
})

t.test('the letter says how long its link is good, and promises hardly more than is left', async (t) => {
  const hour = 3600
  for (const [seconds, words] of [
    [72 * hour - 1, '3 days'],
    [71 * hour, '2 days'],
    [47 * hour, '47 hours'],
    [hour, 'one hour'],
    [60, 'less than an hour'],
  ] as const) {
    t.match(verify({ goodForSeconds: seconds }).text, `is good for ${words} and`)
  }
})

t.test('a letter is readable without pictures, style and script, in light and in dark', async (t) => {
  for (const { html } of [verify(), already()]) {
    t.match(html, /^<!doctype html>\n<html lang="en">/)
    t.match(html, '<meta name="color-scheme" content="light dark">')
    t.match(html, '@media (prefers-color-scheme: dark)')
    t.notMatch(html, /<(table|img|script|link|iframe|form)\b|url\(|@import/)
  }
})

function tagsOf({ html }: Letter): string[] {
  return html.match(/<[^>]*>/g) ?? []
}

/** What a reader sees of it. */
function readable(html: string): string {
  return unescaped(html.replace(/<style>[\s\S]*<\/style>/, '').replace(/<[^>]*>/g, ''))
}

function unescaped(html: string): string {
  return html.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)))
}
