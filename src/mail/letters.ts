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
  /** The label of the link. */
  readonly action?: string
  readonly after: readonly string[]
  /** Why this letter came, in small print. */
  readonly footer: string
}

/** Every sentence of every letter in one language: a second language is a second file like `letters.en.ts`. */
export interface LetterCatalogue {
  /** BCP 47. */
  readonly language: string
  /** Below the button, for readers in whose mail program it does nothing. */
  readonly orCopyTheLink: string
  verifyEmail(facts: LetterFacts & { readonly goodForSeconds: number }): LetterWords
  alreadyRegistered(facts: LetterFacts): LetterWords
}

/** What the words may use. */
export interface LetterFacts {
  /** How the reader may be called: harmless, and empty where the user name gives nothing of the kind. */
  readonly name: string
  /** The host that the reader signed up at, for nobody needs to know what Keyturn is. */
  readonly site: string
}

/** "Is this your address?", with the link that says yes. */
export function verifyEmailLetter(
  catalogue: LetterCatalogue,
  facts: {
    readonly username: string
    readonly site: string
    readonly link: string
    readonly goodForSeconds: number
  },
): Letter {
  const { username, site, link, goodForSeconds } = facts
  return layOut(
    catalogue,
    catalogue.verifyEmail({ name: friendlyName(username), site, goodForSeconds }),
    link,
  )
}

/** "You already have an account": all that the owner of an address learns when somebody signs up with it again. */
export function alreadyRegisteredLetter(
  catalogue: LetterCatalogue,
  { username, site }: { readonly username: string; readonly site: string },
): Letter {
  return layOut(catalogue, catalogue.alreadyRegistered({ name: friendlyName(username), site }), undefined)
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

function layOut(catalogue: LetterCatalogue, words: LetterWords, link: string | undefined): Letter {
  return {
    subject: words.subject,
    text: layOutText(words, link),
    html: layOutHtml(catalogue, words, link),
    links: link === undefined ? [] : [link],
  }
}
