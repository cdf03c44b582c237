import { makeEmailToken } from '../core/change-email.ts'
import type { WrittenVerdict } from '../core/letter.ts'
import type { DueLetter, LetterLinks } from '../core/letter-ports.ts'
import { makeResetToken } from '../core/reset-password.ts'
import type { ServerKeys } from '../core/server-keys.ts'
import { makeVerifyToken } from '../core/verify-email.ts'
import type { Letter, LetterCatalogue, LetterWords, ReaderFacts } from './letters.ts'
import { composeLetter, friendlyName } from './letters.ts'
import type { Templates, TemplateValues } from './templates.ts'
import { fillTemplate } from './templates.ts'

export interface WritingNeeds {
  readonly keys: ServerKeys
  readonly links: MailLinks
  readonly catalogue: LetterCatalogue
  /** Letters in words of the operator, which go before those of the catalogue. */
  readonly templates: Templates
}

/**
 * The pages that letters lead to; `token` is added to the query. Read anew for each letter: a port that the
 * system chose is known only once somebody listens.
 */
export interface MailLinks {
  readonly verifyUrl: string
  readonly resetUrl: string
  readonly changeEmailUrl: string
  readonly undoEmailUrl: string
  /** Where a new password is asked for; no token is added. */
  readonly requestResetUrl: string
  /** By the name that the letter remembers: links of dialects that write their own. */
  readonly own?: ReadonlyMap<string, LetterLinks>
}

/** The letter in words, with its link, if it has one, made this very moment and stored nowhere. */
export function writeLetter(needs: WritingNeeds, letter: DueLetter, verdict: WrittenVerdict): Letter {
  const link = linkOf(needs, letter, verdict)
  const reader = { name: friendlyName(verdict.to.username), site: new URL(needs.links.verifyUrl).host }
  const template = needs.templates.get(verdict.verdict)
  return template === undefined
    ? composeLetter(needs.catalogue, wordsOf(needs.catalogue, verdict, reader), link)
    : fillTemplate(template, valuesOf(verdict, reader, link))
}

function linkOf(
  { keys, links }: WritingNeeds,
  letter: DueLetter,
  verdict: WrittenVerdict,
): string | undefined {
  const userId = letter.account.id
  const own = links.own?.get(letter.via ?? '')
  switch (verdict.verdict) {
    case 'verify_email': {
      const token = makeVerifyToken(keys, userId, letter.emailKey, verdict.link.issuedAt)
      return own?.verifyEmail?.(userId, token) ?? withToken(links.verifyUrl, token)
    }
    case 'reset_password': {
      const token = makeResetToken(keys, letter, verdict.link.issuedAt)
      return own?.resetPassword?.(userId, token) ?? withToken(links.resetUrl, token)
    }
    case 'change_email': {
      const change = { userId, oldKey: letter.emailKey, newKey: letter.pendingEmailKey }
      const token = makeEmailToken(keys, 'change_email', { ...change, issuedAt: verdict.link.issuedAt })
      return withToken(links.changeEmailUrl, token)
    }
    case 'email_change_notice': {
      const change = { userId, oldKey: letter.goesTo?.key ?? '', newKey: letter.pendingEmailKey }
      const token = makeEmailToken(keys, 'undo_email', { ...change, issuedAt: verdict.link.issuedAt })
      return withToken(links.undoEmailUrl, token)
    }
    case 'password_changed':
    case 'new_device':
    case 'session_ended':
      return links.requestResetUrl
    case 'already_registered':
      return undefined
    default:
      return verdict satisfies never
  }
}

function withToken(page: string, token: string): string {
  const url = new URL(page)
  url.searchParams.set('token', token)
  return url.href
}

function wordsOf(catalogue: LetterCatalogue, verdict: WrittenVerdict, reader: ReaderFacts): LetterWords {
  switch (verdict.verdict) {
    case 'verify_email':
      return catalogue.verifyEmail({ ...reader, ...verdict.link })
    case 'already_registered':
      return catalogue.alreadyRegistered(reader)
    case 'reset_password':
      return catalogue.resetPassword({ ...reader, ...verdict.link })
    case 'change_email':
      return catalogue.changeEmail({ ...reader, ...verdict.link })
    case 'email_change_notice':
      return catalogue.emailChangeNotice({ ...reader, ...verdict.link, deed: verdict.deed })
    case 'password_changed':
      return catalogue.passwordChanged({ ...reader, deed: verdict.deed })
    case 'new_device':
      return catalogue.newDevice({ ...reader, deed: verdict.deed })
    case 'session_ended':
      return catalogue.sessionEnded({ ...reader, deed: verdict.deed })
    default:
      return verdict satisfies never
  }
}

/** What a template may use; empty where the letter has nothing of the kind. Numbers and times in no language. */
function valuesOf(verdict: WrittenVerdict, reader: ReaderFacts, link = ''): TemplateValues {
  const hours = 'link' in verdict ? Math.max(1, Math.round(verdict.link.goodForSeconds / 3600)) : undefined
  const { label, ip, at } = 'deed' in verdict ? verdict.deed : { label: '', ip: '', at: undefined }
  const time = at === undefined ? '' : `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
  return { ...reader, link, hours: `${hours ?? ''}`, label, ip, time }
}
