import type { FastifyInstance } from 'fastify'
import { BodyError, unsupportedType } from './body-error.ts'
import { parseStrictJson } from './strict-json.ts'

/**
 * Makes the routes of this scope take one JSON text and nothing else. It is checked as every JSON body is, and the
 * body that a handler sees is the text as it came: no order, no space and no digit of it is touched.
 */
export function takeDocuments(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (_request, bytes, done) => {
    if (bytes.length === 0) throw new BodyError(400, 'This endpoint needs a body; send JSON.')
    parseStrictJson(bytes)
    done(null, bytes.toString('utf8'))
  })
  scope.addContentTypeParser('*', async () => {
    throw unsupportedType('Send application/json; nothing else is kept here.')
  })
}
