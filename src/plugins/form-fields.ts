import { BodyError, quoted } from './body-error.ts'

/** A form as sent: every value is text. Has no prototype, so that no name can reach one. */
export type FormFields = Record<string, string>

/**
 * How many fields one form may hold; the longest of ours, registration with 32 profile fields, holds fewer.
 */
export const maxFields = 50

/** UTF-8 bytes in a field's name. */
const maxNameBytes = 64

export function noFields(): FormFields {
  return Object.create(null)
}

/**
 * Adds one field, under the rules both form encodings share.
 *
 * @throws BodyError 400 for a name that is empty, given twice, a member of `Object.prototype` or `_charset_`
 * (RFC 7578 §4.6: forms are UTF-8 here), and for NUL; 413 for a name of more than 64 bytes.
 */
export function addField(fields: FormFields, name: string, value: string): void {
  if (name === '') throw new BodyError(400, 'The form has a field without a name.')
  if (Buffer.byteLength(name) > maxNameBytes) {
    throw new BodyError(413, `The form has a field whose name is longer than ${maxNameBytes} bytes.`)
  }
  if (name.includes('\0') || value.includes('\0')) {
    throw new BodyError(400, 'The form holds a NUL character; remove it.')
  }
  if (name in Object.prototype || name === '_charset_') {
    throw new BodyError(400, `The form uses the name ${quoted(name)}, which is not allowed.`)
  }
  if (name in fields) throw new BodyError(400, `The form names ${quoted(name)} twice.`)
  fields[name] = value
}

export function tooManyFields(): BodyError {
  return new BodyError(413, `The form has more than ${maxFields} fields.`)
}
