import { BodyError } from './body-error.ts'
import type { FormFields } from './form-fields.ts'
import { addField, maxFields, noFields, tooManyFields } from './form-fields.ts'

/**
 * Reads `application/x-www-form-urlencoded` text (WHATWG URL Standard §5.1): `+` is a space, a field without
 * `=` is empty.
 *
 * Where the standard repairs, this refuses (`BodyError`): broken percent-encoding, bytes that are not UTF-8,
 * more than 50 fields, and what `addField` refuses. `text` is the body decoded as UTF-8 with U+FFFD for
 * invalid bytes; a literal U+FFFD can therefore be sent only percent-encoded.
 */
export function parseStrictForm(text: string): FormFields {
  if (text.includes('\ufffd')) throw new BodyError(400, 'The form body is not valid UTF-8.')
  if (looksLikeJson(text)) {
    throw new BodyError(
      400,
      'The body looks like JSON but is labelled a form; send Content-Type: application/json.',
    )
  }
  const pieces = text.split('&', maxFields + 1)
  if (pieces.length > maxFields) throw tooManyFields()
  const fields = noFields()
  for (const piece of pieces) if (piece !== '') addPiece(fields, piece)
  return fields
}

function addPiece(fields: FormFields, piece: string): void {
  const equals = piece.indexOf('=')
  if (equals === -1) addField(fields, decode(piece), '')
  else addField(fields, decode(piece.slice(0, equals)), decode(piece.slice(equals + 1)))
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw new BodyError(
      400,
      'The form body has broken percent-encoding; encode it as UTF-8, and "%" itself as "%25".',
    )
  }
}

// curl -d labels JSON as a form; its whole text would become a field's name, and complaints about that name
// would echo a password.
function looksLikeJson(text: string): boolean {
  return /^\s*[{[]/.test(text)
}
