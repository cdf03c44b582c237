import { Type } from 'typebox'
import { AuthError } from '../../core/errors.ts'
import { action } from '../../plugins/endpoint.ts'
import { claimsOf } from '../bearer.ts'
import { withProblems } from './answers.ts'

const MAX_BYTES = 65_536
const Document = Type.Unsafe<string>({ description: 'Any JSON text' })

/** The document as it came. In bytes, which no serializer touches. */
function asBytes(document: string): Buffer {
  return Buffer.from(document, 'utf8')
}

export const saveWidgetsAction = action({
  guard: 'access_token',
  summary: 'Keep a JSON document for this account, in place of the one before.',
  description:
    'Any JSON text (RFC 8259) of up to 64 KiB, as application/json only: an object, a list or a scalar, up to 32' +
    ' levels deep. Refused are a name twice in one object, __proto__, NUL, half surrogate pairs and numbers beyond a' +
    ' double. Of two that save at once the last one wins, whole.',
  body: Document,
  documentMaxBytes: MAX_BYTES,
  answers: withProblems({ 201: Document }),
  async handle(request, reply) {
    await request.server.auth.saveWidgets(claimsOf(request), request.body)
    return reply
      .code(201)
      .headers({ 'cache-control': 'no-store', 'content-type': 'application/json; charset=utf-8' })
      .send(asBytes(request.body))
  },
})

export const loadWidgetsAction = action({
  guard: 'access_token',
  summary: 'The JSON document of this account, to the byte as it was saved.',
  description: '404 where nothing was saved yet.',
  answers: withProblems({ 200: Document }),
  async handle(request, reply) {
    const document = await request.server.auth.loadWidgets(claimsOf(request))
    if (document === undefined) throw new AuthError('not_found')
    return reply
      .headers({ 'cache-control': 'no-store', 'content-type': 'application/json; charset=utf-8' })
      .send(asBytes(document))
  },
})
