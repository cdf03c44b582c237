import type { WrittenVerdict } from '../core/letter.ts'
import { escapeHtml } from './letter-layout.ts'
import type { Letter } from './letters.ts'

/** The letters by name, as verdicts and files of MAIL_TEMPLATES_DIR call them. */
export type LetterName = WrittenVerdict['verdict']

/** What may stand in double braces in a template, and is replaced by what the letter is about. */
export type Placeholder = 'name' | 'site' | 'link' | 'hours' | 'label' | 'ip' | 'time'
export type TemplateValues = Readonly<Record<Placeholder, string>>

const READER: readonly Placeholder[] = ['name', 'site']
const LINK: readonly Placeholder[] = ['link', 'hours']
const NOTICE: readonly Placeholder[] = [...READER, 'link', 'label', 'ip', 'time']

/** Which placeholders mean something in which letter. A subject takes `site` alone: strangers choose names. */
export const PLACEHOLDERS: Readonly<Record<LetterName, readonly Placeholder[]>> = {
  verify_email: [...READER, ...LINK],
  already_registered: READER,
  reset_password: [...READER, ...LINK],
  change_email: [...READER, ...LINK],
  email_change_notice: [...NOTICE, 'hours'],
  password_changed: NOTICE,
  new_device: NOTICE,
  session_ended: NOTICE,
}

/** A letter in words of the operator, read and checked at start. */
export interface Template {
  readonly subject: string
  readonly text: string
  readonly html: string
}

/** Those letters that the operator has put into words of his own. */
export type Templates = ReadonlyMap<LetterName, Template>

/** A placeholder in a text: its braces, with anything between them, so that a misspelled one is found too. */
export const BRACES = /\{\{([^{}]*)\}\}/g

/** The letter that the template makes of these values; the HTML gets them escaped, for text and for attributes. */
export function fillTemplate({ subject, text, html }: Template, values: TemplateValues): Letter {
  return {
    subject: fill(subject, values, (value) => value),
    text: fill(text, values, (value) => value),
    html: fill(html, values, escapeHtml),
    links: values.link === '' ? [] : [values.link],
  }
}

function fill(
  template: string,
  values: Readonly<Record<string, string>>,
  safe: (value: string) => string,
): string {
  return template.replace(BRACES, (_, name: string) => safe(values[name.trim()] ?? ''))
}
