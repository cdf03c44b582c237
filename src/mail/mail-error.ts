import type { NodemailerError } from 'nodemailer'

/**
 * Why a letter did not go out. The code is all there is: mail servers quote the address in their answers, and
 * nodemailer quotes the servers.
 */
export class MailError extends Error {
  override readonly name = 'MailError'
  /** For the log and the outbox, such as `smtp_rcpt_550` or `econnrefused`. */
  readonly code: string
  /** The server has refused this very letter, and would again. */
  readonly permanent: boolean

  constructor(code: string, permanent: boolean) {
    super(code)
    this.code = code
    this.permanent = permanent
  }
}

/** What nodemailer rejected with. */
export function toMailError(error: unknown): MailError {
  const failure: NodemailerError = error instanceof Error ? error : new Error()
  const { responseCode, command = '', code, originalCode, timeoutType } = failure
  if (responseCode === undefined) return new MailError(plain(timeoutType ?? originalCode ?? code), false)

  const verb = /^[A-Z]+/.exec(command)?.[0] ?? 'CONN'
  // RFC 5321, 4.2.1. A 5yz to what comes before the recipient is about us, and somebody will set us right; 503 is
  // about a dialogue that lost its thread.
  const permanent = (verb === 'RCPT' || verb === 'DATA') && responseCode >= 500 && responseCode !== 503
  return new MailError(`smtp_${verb.toLowerCase()}_${responseCode}`, permanent)
}

function plain(code: string | undefined): string {
  return code !== undefined && /^\w{1,40}$/.test(code) ? code.toLowerCase() : 'unknown'
}
