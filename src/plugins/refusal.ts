import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { AuthErrorCode, FieldErrors, Limit } from '../core/errors.ts'
import { AuthError } from '../core/errors.ts'
import type { BodyErrorCode } from './body-error.ts'
import { asBodyError } from './body-error.ts'
import { fieldErrors } from './field-words.ts'

/** Every way a request can end without what it asked for: the lawful refusals of the core, and those of the wire. */
export type RefusalCode = AuthErrorCode | BodyErrorCode | WireErrorCode
export type WireErrorCode =
  | 'not_found'
  | 'method_not_allowed'
  | 'bad_request'
  | 'origin_refused'
  | 'invalid_client'
  | 'internal_error'

/** A refusal before a dialect has found its words for it. */
export interface Refusal {
  readonly code: RefusalCode
  /** A sentence about this very request, safe to send; each dialect has its own for every code besides. */
  readonly detail: string | undefined
  readonly fields: FieldErrors | undefined
  readonly retryAfterSeconds: number | undefined
  /** The limit that is used up, where one is. */
  readonly limit?: Limit | undefined
}

/** A refusal, and what was thrown: for the line of the log. */
export interface Refused {
  readonly code: RefusalCode
  readonly error: unknown
}

/** A refusal in words: its status and what stands in the body. */
export interface Said {
  readonly status: number
  readonly body: object
}

/** The words for one code, or how they are found for this very refusal. */
export type Wording = Said | ((refusal: Refusal, request: FastifyRequest) => Said)

/** Says no in the words of a dialect. */
export type Refuse = (refusal: Refusal, request: FastifyRequest, reply: FastifyReply) => FastifyReply

/** A refusal of the wire, thrown where nothing else can be answered. */
export class WireError extends Error {
  override readonly name = 'WireError'
  readonly code: WireErrorCode
  /** Safe to send. */
  readonly detail: string | undefined

  constructor(code: WireErrorCode, detail?: string) {
    super(code)
    this.code = code
    this.detail = detail
  }
}

/** What was thrown, as a refusal. Whatever is not known to be lawful is a defect, and gets no word out. */
export function toRefusal(error: unknown): Refusal {
  if (error instanceof AuthError) {
    return {
      code: error.code,
      detail: undefined,
      fields: error.fields,
      retryAfterSeconds: error.retryAfterSeconds,
      limit: error.limit,
    }
  }
  if (error instanceof WireError) return refusal(error.code, error.detail)
  const bodyError = asBodyError(error)
  if (bodyError !== undefined) return refusal(bodyError.code, bodyError.detail)
  if (!(error instanceof Error)) return refusal('internal_error')

  const { validation, code = '', statusCode = 500 }: Partial<FastifyError> = error
  if (validation !== undefined)
    return { ...refusal('validation_failed'), fields: fieldErrors(validation, WHOLE_BODY) }
  if (code === 'FST_ERR_HANDLER_TIMEOUT') return { ...refusal('unavailable'), retryAfterSeconds: 1 }
  if (statusCode >= 400 && statusCode < 500) return refusal('bad_request')
  return refusal('internal_error')
}

/** Leaves what was thrown to the line of the request; where the client has hung up, that line is written already. */
export function noteRefused(request: FastifyRequest, refused: Refused): void {
  request.refused = refused
  if (!request.isLogged) return
  const { code, error } = refused
  if (code === 'internal_error')
    request.log.error({ code, err: error }, 'a defect, after the client had hung up')
}

/** A refusal of the wire. */
export function refusal(code: RefusalCode, detail?: string): Refusal {
  return { code, detail, fields: undefined, retryAfterSeconds: undefined }
}

/** The name of fields that the body as a whole is blamed under. */
const WHOLE_BODY = 'non_field_errors'
