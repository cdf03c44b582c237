import { isUtf8 } from 'node:buffer'
import { BodyError, quoted } from './body-error.ts'
import type { FormFields } from './form-fields.ts'
import { addField, maxFields, noFields, tooManyFields } from './form-fields.ts'
import { hasForeignCharset, mediaParameters } from './media-type.ts'

/** Characters in the headers of one part. */
const maxHeaderLength = 1024

/**
 * Reads a whole `multipart/form-data` body (RFC 7578, boundaries by RFC 2046 §5.1.1) of text fields in UTF-8.
 *
 * Files, charsets and encodings are refused rather than interpreted, and values are never cut: 400 for a
 * missing, wrong or doubtful boundary, a truncated body, text before or after the parts, a file, a part that
 * is not `text/plain` in UTF-8, `Content-Transfer-Encoding: base64`, and what `addField` refuses; 413 for
 * more than 50 parts or 1 KiB of headers in one. `Response.formData()` is no substitute: it hides a part's
 * headers, takes invalid UTF-8, and removes a leading U+FEFF.
 *
 * @param contentType the request's Content-Type header, for its boundary
 */
export function parseMultipart(contentType: string, bytes: Uint8Array): FormFields {
  if (!isUtf8(bytes)) throw new BodyError(400, 'The multipart body is not valid UTF-8.')
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  // A delimiter is the line break together with the boundary, so the first one needs a line break before it.
  const [before, ...pieces] = `\r\n${text}`.split(`\r\n--${boundaryOf(contentType)}`, maxFields + 3)
  if (pieces.length === 0) {
    throw malformed('does not contain the boundary that its Content-Type header names')
  }
  if (before !== '' && before !== '\r\n') throw malformed('has text before its first boundary')
  if (pieces.length > maxFields + 1) throw tooManyFields()
  if (!/^--(?:\r\n)*$/.test(pieces.pop() ?? '')) throw malformed('does not end with its closing boundary')

  const fields = noFields()
  for (const piece of pieces) addPart(fields, piece)
  return fields
}

function addPart(fields: FormFields, piece: string): void {
  const end = piece.indexOf('\r\n\r\n')
  if (!piece.startsWith('\r\n') || end === -1) throw malformed('has a part without headers')
  if (end > maxHeaderLength) {
    throw new BodyError(413, 'The multipart body has a part with more than 1 KiB of headers.')
  }
  const headers = headersOf(piece.slice(2, end))
  const name = nameOf(headers.get('content-disposition') ?? '')
  refuseForeignContent(name, headers)
  addField(fields, name, piece.slice(end + 4))
}

function headersOf(block: string): Map<string, string> {
  const headers = new Map<string, string>()
  for (const line of block.split('\r\n')) {
    const [, name, value] = /^([\w!#$%&'*+.^`|~-]+):([^\r\n]*)$/.exec(line) ?? []
    if (name === undefined || value === undefined) throw malformed('has a part with a malformed header')
    if (headers.has(name.toLowerCase())) throw malformed('has a part with the same header twice')
    headers.set(name.toLowerCase(), value.trim())
  }
  return headers
}

// .NET's HttpClient does not quote names; %0A, %0D and %22 are all that the WHATWG serializer escapes in one.
function nameOf(disposition: string): string {
  const [, inQuotes, bare, rest = ''] =
    /^form-data;[ \t]*name=(?:"([^"]*)"|([\w!#$%&'*+.^`|~-]+))(.*)$/is.exec(disposition) ?? []
  const name = inQuotes ?? bare
  if (/^\s*;\s*filename\b/i.test(rest)) {
    throw new BodyError(400, 'The multipart body holds a file; this service takes text fields only.')
  }
  if (name === undefined || rest !== '') {
    throw malformed('has a part whose Content-Disposition is not: form-data; name="…"')
  }
  return name.replace(/%0a/gi, '\n').replace(/%0d/gi, '\r').replaceAll('%22', '"')
}

function refuseForeignContent(name: string, headers: Map<string, string>): void {
  const type = headers.get('content-type') ?? 'text/plain'
  if (!/^text\/plain\s*(?:;|$)/i.test(type) || hasForeignCharset(type)) {
    throw new BodyError(
      400,
      `The multipart body sends ${quoted(name)} in another type; send text/plain in UTF-8.`,
    )
  }
  if (!/^(?:7bit|8bit|binary)$/i.test(headers.get('content-transfer-encoding') ?? 'binary')) {
    throw new BodyError(
      400,
      `The multipart body sends ${quoted(name)} in a transfer encoding; send it as it is.`,
    )
  }
}

/** The boundary (RFC 2046 §5.1.1: 1 to 70 characters of a fixed set, the last of them no space). */
function boundaryOf(contentType: string): string {
  const [boundary, second] = mediaParameters(contentType, 'boundary')
  if (
    boundary === undefined ||
    second !== undefined ||
    !/^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/.test(boundary)
  ) {
    throw new BodyError(400, 'The Content-Type header of a multipart body must name one valid boundary.')
  }
  return boundary
}

function malformed(what: string): BodyError {
  return new BodyError(400, `The multipart body ${what}.`)
}
