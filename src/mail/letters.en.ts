import type { Deed } from '../core/letter.ts'
import type { LetterCatalogue, LetterWords } from './letters.ts'

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
      goodFor(goodForSeconds),
      'You did not sign up? Then ignore this letter: unless the link is used, your address stays unconfirmed.',
    ],
    footer: addressWasEntered(site),
  }),

  alreadyRegistered: ({ name, site }) => ({
    subject: 'You already have an account',
    greeting: greeting(name),
    before: [
      `Somebody, perhaps you, has just tried to use this email address for another account at ${site}. You already have an account with it, so nothing came of it.`,
      'If it was you: sign in with this address and the password that you chose back then.',
      'If it was not you: there is nothing to do. Your account is as it was, and whoever tried has not been told that you have one.',
    ],
    after: [],
    footer: addressWasEntered(site),
  }),

  resetPassword: ({ name, site, goodForSeconds }) => ({
    subject: 'Choose a new password',
    greeting: greeting(name),
    before: [`Somebody, perhaps you, has asked for a new password for your account at ${site}.`],
    action: 'Choose a new password',
    after: [
      `${goodFor(goodForSeconds)} When you use it, you are signed out on every device.`,
      'If it was not you: ignore this letter. Nothing changes unless the link is used, so do not pass it on.',
    ],
    footer: addressWasEntered(site),
  }),

  changeEmail: ({ name, site, goodForSeconds }) => ({
    subject: 'Confirm your new email address',
    greeting: greeting(name),
    before: [
      `Somebody, perhaps you, wants to use this email address for an account at ${site}. To make the change, please confirm that the address is yours.`,
    ],
    action: 'Confirm my new address',
    after: [
      goodFor(goodForSeconds),
      'If it was not you: ignore this letter. Unless the link is used, nothing changes.',
    ],
    footer: addressWasEntered(site),
  }),

  emailChangeNotice: ({ name, site, deed, goodForSeconds }) => ({
    subject: 'Your email address is being changed',
    greeting: greeting(name),
    before: [
      `Somebody, perhaps you, has asked to change the email address of your account at ${site}. As soon as the new address is confirmed, letters about your account go there and no longer here.`,
    ],
    details: details(deed),
    advice: [
      'If it was you: there is nothing to do.',
      'If it was not you: somebody else knows your password. Undo the change: your account keeps this address, every device is signed out, and we send you a letter to choose a new password.',
    ],
    action: 'It was not me, undo it',
    after: [`${goodFor(goodForSeconds)} It also works when the change has been made already.`],
    footer: accountIsYours(site),
  }),

  passwordChanged: ({ name, site, deed }) => ({
    subject: 'Your password was changed',
    greeting: greeting(name),
    before: [
      `The password of your account at ${site} has been changed. Your other devices have been signed out, and ask for the new one.`,
    ],
    details: details(deed),
    advice: [
      'If it was you: there is nothing to do.',
      'If it was not you: somebody else is in your account. Choose a new password now; that signs everybody out. If others may know the password of your mailbox, change that one first.',
    ],
    action: 'Choose a new password',
    after: [],
    footer: accountIsYours(site),
  }),

  newDevice: ({ name, site, deed }) => ({
    subject: 'New sign-in to your account',
    greeting: greeting(name),
    before: [
      `Somebody has signed in to your account at ${site} with your password, on a device or from a place that is new to us.`,
    ],
    details: details(deed),
    advice: [
      'If it was you: there is nothing to do.',
      'If it was not you: somebody else knows your password. Choose a new one now; that signs everybody out.',
    ],
    action: 'Choose a new password',
    after: [],
    footer: accountIsYours(site),
  }),

  sessionEnded: ({ name, site, deed }) => ({
    subject: 'We have signed out one of your devices',
    greeting: greeting(name),
    before: [
      `For your safety we have signed out one of the devices that were signed in to your account at ${site}. The key that kept it signed in turned up twice: somebody may have copied it.`,
    ],
    details: details(deed, { device: 'Device that is signed out', ip: 'Where its key turned up again' }),
    advice: [
      'Sign in again on that device. Your other devices stay signed in.',
      'If it happens again, or if others may have used that device: choose a new password. That signs everybody out.',
    ],
    action: 'Choose a new password',
    after: [],
    footer: accountIsYours(site),
  }),
}

function goodFor(seconds: number): string {
  return `The link is good for ${span(seconds)} and works once.`
}

function details(
  { at, label, ip }: Deed,
  names = { device: 'Device', ip: 'Internet address' },
): NonNullable<LetterWords['details']> {
  const lines = [
    ['When', time(at)],
    [names.device, label],
    [names.ip, ip],
  ] as const
  return lines.filter(([, value]) => value !== '')
}

const MONTHS = 'January February March April May June July August September October November December'.split(
  ' ',
)

function time(at: number): string {
  const date = new Date(at)
  const [hours, minutes] = [date.getUTCHours(), date.getUTCMinutes()].map((part) =>
    `${part}`.padStart(2, '0'),
  )
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}, ${hours}:${minutes} UTC`
}

function addressWasEntered(site: string): string {
  return `This letter came from ${site} automatically, because somebody entered your address there. Nobody reads replies to it.`
}

function accountIsYours(site: string): string {
  return `This letter came from ${site} automatically, because you have an account there. Nobody reads replies to it.`
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
