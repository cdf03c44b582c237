import { randomUUID } from 'node:crypto'
import { availableParallelism } from 'node:os'
import type { TestApp } from './app.ts'
import type { Answer } from './client.ts'
import { get, post, text } from './client.ts'
import { keepSecret } from './run-log.ts'
import { until } from './until.ts'

export interface Person {
  readonly username: string
  readonly email: string
  readonly password: string
}

/** At once, more than any machine hashes at a cost of 11 or 12 in the two seconds that somebody may wait. */
export const TOO_MANY_HASHES = 40 + 60 * availableParallelism()

/** Somebody whom no other test knows. */
export function somebody(): Person {
  const name = randomUUID().slice(0, 8)
  const person = {
    username: `user${name}`,
    email: `user${name}@example.org`,
    password: `pass phrase ${name}`,
  }
  Object.values(person).forEach(keepSecret)
  return person
}

/** The token of the newest verification letter to the address; awaited, for the outbox sends it a moment later. */
export function verificationToken(service: Pick<TestApp, 'url'>, email: string): Promise<string> {
  return letterToken(service, email, '/verify-email')
}

/** A letter that takes longer, on a machine however busy, was never written. */
const LETTER_WITHIN_SECONDS = 60

/** Where the links of letters lead. */
export type LetterPath = '/verify-email' | '/reset' | '/confirm-email' | '/undo-email'

/**
 * The token of the newest letter to the address that leads there; awaited, for the outbox sends it a moment later.
 * @param count how many such letters there must be
 */
export async function letterToken(
  service: Pick<TestApp, 'url'>,
  email: string,
  path: LetterPath,
  count = 1,
): Promise<string> {
  return until(
    `a letter with a link to ${path}`,
    async () => {
      const tokens = await tokensIn(service, email, path)
      tokens.forEach(keepSecret)
      return tokens.length >= count && tokens[0]
    },
    LETTER_WITHIN_SECONDS,
  )
}

/** The tokens of all letters to the address that lead there, the newest first. */
async function tokensIn(service: Pick<TestApp, 'url'>, email: string, path: LetterPath): Promise<string[]> {
  const links = (await letters(service, email)).flatMap((letter) => letter.links.map((link) => new URL(link)))
  return links
    .filter(({ pathname }) => pathname.endsWith(path))
    .flatMap(({ searchParams }) => searchParams.getAll('token'))
}

/** Waits until it is known whose the letters are that somebody asked for by an address. */
export async function requestsAdmitted({ app }: TestApp): Promise<void> {
  const waiting = () => app.database.pool.query('SELECT FROM letter_requests LIMIT 1')
  await until('no request for a letter waits', async () => (await waiting()).rowCount === 0)
}

export interface ReadLetter {
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly links: readonly string[]
}

/** What has been sent to the address so far, newest first. */
export async function letters(service: Pick<TestApp, 'url'>, email: string): Promise<ReadLetter[]> {
  const { body } = await get(`${service.url}/dev/mailbox.json?to=${encodeURIComponent(email)}`)
  return body['messages'] as ReadLetter[]
}

/** Waits for a letter of this subject to the address. */
export async function letterAbout(
  service: Pick<TestApp, 'url'>,
  email: string,
  subject: RegExp,
): Promise<ReadLetter> {
  return until(
    `a letter about ${subject}`,
    async () => (await letters(service, email)).find((each) => subject.test(each.subject)),
    LETTER_WITHIN_SECONDS,
  )
}

/** Asks for a letter of reset and waits for its token. */
export async function resetToken(service: Pick<TestApp, 'url'>, email: string, count = 1): Promise<string> {
  await post(`${service.url}/request-reset`, { email })
  return letterToken(service, email, '/reset', count)
}

/** Registers and, where the service asks for it, confirms the address. */
export async function register(service: Pick<TestApp, 'url'>, person: Person = somebody()): Promise<Person> {
  const earlier = await tokensIn(service, person.email, '/verify-email')
  const answer = await post(`${service.url}/register`, { ...person })
  if (answer.status !== 201)
    throw new Error(`registering answered ${answer.status} ${JSON.stringify(answer.body)}`)
  if (answer.body['is_active'] !== true) {
    const token = await letterToken(service, person.email, '/verify-email', earlier.length + 1)
    await post(`${service.url}/verify-email`, { token })
  }
  return person
}

export interface Tokens {
  readonly access: string
  readonly refresh: string
}

/** Both tokens of an answer. */
export function tokensOf(answer: Answer): Tokens {
  return { access: text(answer, 'access'), refresh: text(answer, 'refresh') }
}

/** Signs in. */
export async function signIn(service: Pick<TestApp, 'url'>, { username, password }: Person): Promise<Tokens> {
  return tokensOf(await post(`${service.url}/token`, { username, password }))
}

/** Somebody new, signed in. */
export async function signedIn(service: Pick<TestApp, 'url'>): Promise<Person & Tokens> {
  const person = await register(service)
  return { ...person, ...(await signIn(service, person)) }
}
