import type { LetterCatalogue } from './letters.ts'

/** The letters in English. */
export const en: LetterCatalogue = {
  language: 'en',
  orCopyTheLink: 'If the button does nothing, copy this address into your browser:',

  verifyEmail: ({ name, site, goodForSeconds }) => ({
    subject: 'Confirm your email address',
    greeting: greeting(name),
    before: [
      `Thank you for signing up at ${site}. One step is left: please confirm that this address is yours.`,
    ],
    action: 'Confirm my address',
    after: [
      `The link is good for ${span(goodForSeconds)} and works once.`,
      'You did not sign up? Then ignore this letter: unless the link is used, your address stays unconfirmed.',
    ],
    footer: footer(site),
  }),

  alreadyRegistered: ({ name, site }) => ({
    subject: 'You already have an account',
    greeting: greeting(name),
    before: [
      `Somebody, perhaps you, has just tried to sign up or to confirm an account at ${site} with this email address. You already have an account with it, so there is nothing to confirm.`,
      'If it was you: sign in with this address and the password that you chose back then.',
      'If it was not you: there is nothing to do. Your account is as it was, and whoever tried has not been told that you have one.',
    ],
    after: [],
    footer: footer(site),
  }),
}

function footer(site: string): string {
  return `This letter came from ${site} automatically, because somebody entered your address there. Nobody reads replies to it.`
}

function greeting(name: string): string {
  return name === '' ? 'Hello,' : `Hello ${name},`
}

/** Never longer than it is by more than half an hour, so that a letter that was just written says "3 days". */
function span(seconds: number): string {
  const hours = Math.round(seconds / 3600)
  if (hours >= 48) return `${Math.floor(hours / 24)} days`
  if (hours >= 2) return `${hours} hours`
  return hours === 1 ? 'one hour' : 'less than an hour'
}
