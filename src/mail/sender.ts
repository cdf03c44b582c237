import { domainToUnicode } from 'node:url'
import type { OwnMail } from '../core/own-address.ts'

/** Name and address of `a@b` or `Name <a@b>`, as the configuration has checked it. */
export function parseSender(from: string): { name: string; address: string } {
  const [, name = '', address = from] = /^([^<>]*)<([^<>]*)>$/.exec(from) ?? []
  return { name: name.trim(), address }
}

/** What the sender of every letter says about the mail of the service itself. */
export function ownMailOf(from: string): OwnMail {
  const [sender = '', domain = ''] = parseSender(from).address.split('@')
  return { sender, domains: [domain, domainToUnicode(domain)] }
}
