import type { Deed } from '../core/letter.ts'
import { layOutHtml, layOutText } from './letter-layout.ts'

/** A letter without its address: subject and two bodies that say the same. */
export interface Letter {
  readonly subject: string
  readonly text: string
  readonly html: string
  /** Every link in it, in order. */
  readonly links: readonly string[]
}

/** What one letter says, in one language: plain sentences, without markup and without links. */
export interface LetterWords {
  /** Never holds a name: whoever signs up with somebody else's address would choose what stands there. */
  readonly subject: string
  readonly greeting: string
  /** Paragraphs before the link, or all of them where there is none. */
  readonly before: readonly string[]
  /** When it happened and where, a line each: its label, and what it is. */
  readonly details?: readonly (readonly [label: string, value: string])[]
  /** Paragraphs between the details and the link. */
  readonly advice?: readonly string[]
  /** The label of the link. */
  readonly action?: string
  readonly after: readonly string[]
  /** Why this letter came, in small print. */
  readonly footer: string
}

/** What the words of every letter may use. */
export interface ReaderFacts {
  /** How the reader may be called: harmless, and empty where the user name gives nothing of the kind. */
  readonly name: string
  /** The host that the reader signed up at, for nobody needs to know what Keyturn is. */
  readonly site: string
}

export interface LinkFacts extends ReaderFacts {
  readonly goodForSeconds: number
}

export interface DeedFacts extends ReaderFacts {
  readonly deed: Deed
}

/** Every sentence of every letter in one language: a second language is a second file like `letters.en.ts`. */
export interface LetterCatalogue {
  /** BCP 47. */
  readonly language: string
  /** Below the button, for readers in whose mail program it does nothing. */
  readonly orCopyTheLink: string
  /** "Is this your address?", with the link that says yes. */
  verifyEmail(facts: LinkFacts): LetterWords
  /** All that the owner of an address learns when somebody uses it for another account. */
  alreadyRegistered(facts: ReaderFacts): LetterWords
  /** The link for a new password. */
  resetPassword(facts: LinkFacts): LetterWords
  /** "Is this your new address?", with the link that says yes. */
  changeEmail(facts: LinkFacts): LetterWords
  /** To the old address, with the link that undoes the change. */
  emailChangeNotice(facts: LinkFacts & DeedFacts): LetterWords
  passwordChanged(facts: DeedFacts): LetterWords
  newDevice(facts: DeedFacts): LetterWords
  /** The device is the one that was signed out; the address is where its key turned up a second time. */
  sessionEnded(facts: DeedFacts): LetterWords
}

/** The letter that says these words and brings this link. */
export function composeLetter(
  catalogue: LetterCatalogue,
  words: LetterWords,
  link: string | undefined,
): Letter {
  return {
    subject: words.subject,
    text: layOutText(words, link),
    html: layOutHtml(catalogue, words, link),
    links: link === undefined ? [] : [link],
  }
}

const NAME_MAX_LENGTH = 40

/**
 * A user name as a greeting can have it. A stranger may have chosen it to have us mail his advertisement, so it is cut
 * short, and without dots, slashes and colons no mail program finds a link in it.
 */
export function friendlyName(username: string): string {
  const [beforeAt = ''] = username.normalize('NFC').split('@')
  const words = beforeAt.replace(/[^\p{L}\p{M}\p{N}_'+-]+/gu, ' ').trim()
  const letters = [...words]
  return letters.length <= NAME_MAX_LENGTH ? words : `${letters.slice(0, NAME_MAX_LENGTH).join('').trim()}…`
}
