import { randomUUID } from 'node:crypto'
import type { TestApp } from './app.ts'
import type { Answer } from './client.ts'
import { get, post, text } from './client.ts'

export interface Person {
  readonly username: string
  readonly email: string
  readonly password: string
}

/** Somebody whom no other test knows. */
export function somebody(): Person {
  const name = randomUUID().slice(0, 8)
  return { username: `user${name}`, email: `user${name}@example.org`, password: `pass phrase ${name}` }
}

/** The token of the newest verification letter to the address; awaited, for the outbox sends it a moment later. */
export async function verificationToken(service: TestApp, email: string): Promise<string> {
  for (;;) {
    const { body } = await get(`${service.url}/dev/mailbox.json?to=${encodeURIComponent(email)}`)
    const [message] = body['messages'] as { links: string[] }[]
    const link = message?.links.find((each) => each.includes('token='))
    const token = link && new URL(link).searchParams.get('token')
    if (token) return token
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Registers and, where the service asks for it, confirms the address. */
export async function register(service: TestApp, person: Person = somebody()): Promise<Person> {
  const answer = await post(`${service.url}/register`, { ...person })
  if (answer.status !== 201)
    throw new Error(`registering answered ${answer.status} ${JSON.stringify(answer.body)}`)
  if (answer.body['is_active'] !== true) {
    const token = await verificationToken(service, person.email)
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
export async function signIn(service: TestApp, { username, password }: Person): Promise<Tokens> {
  return tokensOf(await post(`${service.url}/token`, { username, password }))
}

/** Somebody new, signed in. */
export async function signedIn(service: TestApp): Promise<Person & Tokens> {
  const person = await register(service)
  return { ...person, ...(await signIn(service, person)) }
}
