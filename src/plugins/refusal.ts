import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { AuthErrorCode, FieldErrors } from '../core/errors.ts'
import { AuthError } from '../core/errors.ts'
import type { BodyErrorCode } from './body-error.ts'
import { asBodyError } from './body-error.ts'

/** Every way a request can end without what it asked for: the lawful refusals of the core, and those of the wire. */
export type RefusalCode = AuthErrorCode | BodyErrorCode | WireErrorCode
export type WireErrorCode =
  | 'not_found'
  | 'method_not_allowed'
  | 'bad_request'
  | 'origin_refused'
  | 'internal_error'

/** A refusal before a dialect has found its words for it. */
export interface Refusal {
  readonly code: RefusalCode
  /** A sentence about this very request, safe to send; each dialect has its own for every code besides. */
  readonly detail: string | undefined
  readonly fields: FieldErrors | undefined
  readonly retryAfterSeconds: number | undefined
}

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
    }
  }
  if (error instanceof WireError) return refusal(error.code, error.detail)
  const bodyError = asBodyError(error)
  if (bodyError !== undefined) return refusal(bodyError.code, bodyError.detail)
  if (!(error instanceof Error)) return refusal('internal_error')

  const { validation, code = '', statusCode = 500 }: Partial<FastifyError> = error
  if (validation !== undefined) return { ...refusal('validation_failed'), fields: fieldErrors(validation) }
  if (code === 'FST_ERR_HANDLER_TIMEOUT') return { ...refusal('unavailable'), retryAfterSeconds: 1 }
  if (statusCode >= 400 && statusCode < 500) return refusal('bad_request')
  return refusal('internal_error')
}

/** A refusal of the wire. */
export function refusal(code: RefusalCode, detail?: string): Refusal {
  return { code, detail, fields: undefined, retryAfterSeconds: undefined }
}

type SchemaFault = NonNullable<FastifyError['validation']>[number]

/** Sentences for what a schema found, field by field, in the words of Django REST Framework where it has some. */
function fieldErrors(faults: readonly SchemaFault[]): FieldErrors {
  const fields = new Map<string, Set<string>>()
  for (const fault of faults) {
    const { field, message } = describe(fault)
    const messages = fields.get(field) ?? new Set()
    fields.set(field, messages.add(message))
  }
  return Object.fromEntries([...fields].map(([field, messages]) => [field, [...messages]]))
}

/** The name of fields that the body as a whole is blamed under. */
const WHOLE_BODY = 'non_field_errors'

function describe({ keyword, instancePath, params }: SchemaFault): { field: string; message: string } {
  const field = instancePath.split('/')[1]?.replaceAll('~1', '/').replaceAll('~0', '~') ?? WHOLE_BODY
  switch (keyword) {
    case 'required':
      return { field: String(params['missingProperty']), message: 'This field is required.' }
    case 'additionalProperties':
      return {
        field: safeName(params['additionalProperty']),
        message: 'This field is not known here. Remove it.',
      }
    case 'type':
    case 'anyOf':
      return { field, message: typeMessage(field, params['type']) }
    case 'minLength':
      return { field, message: 'This field may not be blank.' }
    case 'maxLength':
      return { field, message: `Ensure this field has no more than ${params['limit']} characters.` }
    default:
      return { field, message: 'This value is not valid.' }
  }
}

function typeMessage(field: string, type: unknown): string {
  if (field === WHOLE_BODY) return 'Send an object of named fields.'
  return type === 'string'
    ? 'Not a valid string.'
    : 'Not a valid value: send text, a number or true or false.'
}

/** The name comes from the sender, who may have pasted a secret in its place. */
function safeName(name: unknown): string {
  return typeof name === 'string' && /^[\w.$-]{1,40}$/.test(name) ? name : WHOLE_BODY
}
