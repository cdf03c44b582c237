import t from 'tap'
import { en } from '../../src/mail/letters.en.ts'
import type { Letter, LetterWords } from '../../src/mail/letters.ts'
import { composeLetter, friendlyName } from '../../src/mail/letters.ts'

const LINK = 'https://auth.example.com/verify?from="letter"&token=abc'
const SITE = 'auth.example.com'
const DEED = { at: Date.UTC(2026, 1, 3, 4, 5, 59), label: 'Firefox on Windows', ip: '2001:db8::1' }

type Facts = Parameters<typeof en.emailChangeNotice>[0]

/** Every letter of the catalogue, and whether it is about its link: then it says how long that is good. */
const LETTERS: Readonly<
  Record<string, { words: (facts: Facts) => LetterWords; about: 'link' | 'deed' | 'both' | 'neither' }>
> = {
  verifyEmail: { words: en.verifyEmail, about: 'link' },
  alreadyRegistered: { words: en.alreadyRegistered, about: 'neither' },
  resetPassword: { words: en.resetPassword, about: 'link' },
  changeEmail: { words: en.changeEmail, about: 'link' },
  emailChangeNotice: { words: en.emailChangeNotice, about: 'both' },
  passwordChanged: { words: en.passwordChanged, about: 'deed' },
  newDevice: { words: en.newDevice, about: 'deed' },
  sessionEnded: { words: en.sessionEnded, about: 'deed' },
}
const NAMES = Object.keys(LETTERS)
const about = (...what: string[]) => NAMES.filter((name) => what.includes(LETTERS[name]?.about ?? ''))

function letter(name: string, changes: Partial<Facts> = {}): Letter {
  const facts = { name: 'ada', site: SITE, goodForSeconds: 3 * 24 * 3600 - 2, deed: DEED, ...changes }
  const words = LETTERS[name]?.words(facts)
  if (words === undefined) throw new Error(`there is no letter ${name}`)
  return composeLetter(en, words, name === 'alreadyRegistered' ? undefined : LINK)
}

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

t.test('every letter of the catalogue is looked at here', async (t) => {
  t.strictSame(
    Object.keys(en).filter((key) => key in LETTERS),
    NAMES,
  )
  t.strictSame(Object.values(en).filter((member) => typeof member === 'function').length, NAMES.length)
  t.equal(new Set(NAMES.map((name) => letter(name).subject)).size, NAMES.length, 'no two have one subject')
})

t.test('text and HTML of a letter say the same, in the same order', async (t) => {
  for (const name of NAMES) {
    const { text, html } = letter(name)
    const paragraphs = text
      .replace(`\n${LINK}`, '')
      .replace('-- \n', '')
      .trim()
      .split(/:?\n\n/)
    let rest = readable(html).replace(/^[\s\S]*?(?=Hello)/, '')
    for (const paragraph of paragraphs) {
      t.ok(rest.includes(paragraph), `${name}: ${paragraph}`)
      rest = rest.slice(rest.indexOf(paragraph) + paragraph.length)
    }
  }
})

t.test('a letter brings its link: bare in the text, as button and to be copied in the HTML', async (t) => {
  for (const name of about('link', 'deed', 'both')) {
    const { text, html, links } = letter(name)
    t.strictSame(links, [LINK], name)
    t.equal(text.split('\n').filter((line) => line === LINK).length, 1)
    t.match(text, /\n\n[A-Z][^\n]+:\nhttps:/, 'and says what it is for')
    const hrefs = [...html.matchAll(/href="([^"]*)"/g)].map(([, href]) => unescaped(href ?? ''))
    t.strictSame(hrefs, [LINK, LINK])
    t.ok(readable(html).includes(LINK))
  }
})

t.test('the note to the owner of an address brings no link at all', async (t) => {
  const { text, html, links } = letter('alreadyRegistered')
  t.strictSame(links, [])
  t.notMatch(text + html, /https?:|href|<a /)
})

t.test(
  'a letter about something that happened says when, by the clock of UTC, on what and from where',
  async (t) => {
    for (const name of about('deed', 'both')) {
      const { text } = letter(name)
      t.match(
        text,
        /\n\nWhen: 3 February 2026, 04:05 UTC\n[A-Z].*: Firefox on Windows\n[A-Z].*: 2001:db8::1\n\n/,
      )
      const unknown = letter(name, { deed: { ...DEED, label: '', ip: '' } }).text
      t.match(unknown, /\n\nWhen: 3 February 2026, 04:05 UTC\n\n/, 'and nothing of what is not known')
    }
  },
)

t.test('a letter says what to do for whoever did not do it', async (t) => {
  for (const name of NAMES.filter((each) => each !== 'sessionEnded'))
    t.match(letter(name).text, /If it was not you: |You did not sign up\? /, name)
  t.match(letter('sessionEnded').text, /If it happens again, /)
})

t.test(
  'a name from a stranger is no link, no markup, no header and no essay, wherever it stands',
  async (t) => {
    for (const username of HOSTILE_NAMES) {
      for (const name of NAMES) {
        const hostile = letter(name, { name: friendlyName(username) })
        const harmless = letter(name)
        t.equal(hostile.subject, harmless.subject)
        t.strictSame(tagsOf(hostile), tagsOf(harmless))
        const greeting = hostile.text.slice(0, hostile.text.indexOf('\n'))
        t.match(greeting, /^Hello( [\p{L}\p{N}_'+ -]{1,40}…?)?,$/u, greeting)
        t.equal(hostile.text.slice(greeting.length), harmless.text.slice('Hello ada,'.length))
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
  for (const name of NAMES) t.match(letter(name, { name: friendlyName('...') }).text, /^Hello,\n/)
})

t.test('a letter says how long its link is good, and promises hardly more than is left', async (t) => {
  const hour = 3600
  for (const [seconds, words] of [
    [7 * 24 * hour - 1, '7 days'],
    [72 * hour - 1, '3 days'],
    [71 * hour, '2 days'],
    [47 * hour, '47 hours'],
    [hour - 1, 'one hour'],
    [60, 'less than an hour'],
  ] as const) {
    for (const name of about('link', 'both'))
      t.match(letter(name, { goodForSeconds: seconds }).text, `is good for ${words} and`, name)
  }
})

t.test('a letter is readable without pictures, style and script, in light and in dark', async (t) => {
  for (const name of NAMES) {
    const { html } = letter(name)
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
