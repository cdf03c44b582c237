import type { IncomingMessage } from 'node:http'
import formbody from '@fastify/formbody'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { BodyError, cutShort, unsupportedType } from './body-error.ts'
import type { FormFields } from './form-fields.ts'
import { asksForObject, convertFields } from './form-values.ts'
import { hasForeignCharset } from './media-type.ts'
import { parseMultipart } from './multipart.ts'
import { parseStrictForm } from './strict-form.ts'
import { parseStrictJson } from './strict-json.ts'

export { asBodyError, BodyError } from './body-error.ts'

/**
 * Reads every request body, strictly: JSON, url-encoded and multipart forms, all three giving the same plain
 * value for the same fields. Anything else is a `BodyError`, or one of Fastify's errors that `asBodyError`
 * turns into one.
 *
 * Form fields get the types a route's body schema asks for (`convertFields`); JSON is never converted.
 *
 * An empty body, whatever its type, is `undefined` for a route without a body schema. A route whose schema
 * describes an object gets an empty one to validate, so that every missing field is reported and a body of
 * optional fields may be left out; with any other schema the answer is 400. Register it before every route.
 */
export const bodies = fastifyPlugin(
  async (app) => {
    app.removeContentTypeParser('text/plain')
    app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (_request, bytes, done) => {
      done(null, bytes.length === 0 ? undefined : parseStrictJson(bytes))
    })
    app.addContentTypeParser<Buffer>('multipart/form-data', { parseAs: 'buffer' }, (request, bytes, done) => {
      const contentType = request.headers['content-type'] ?? ''
      done(null, bytes.length === 0 ? undefined : parseMultipart(contentType, bytes))
    })
    await app.register(formbody, { parser: parseStrictForm })
    app.addContentTypeParser('*', async (request: FastifyRequest, payload: IncomingMessage) => {
      if (!request.is404 && !(await hasNothing(payload))) throw unsupportedType()
    })

    // Before parsing and no earlier, so that a guard's 401 comes first.
    app.addHook('preParsing', (request, reply, _payload, done) => {
      // A proxy that asks whether somebody may pass (GET) repeats headers of a body that it keeps to itself.
      if (!request.is404 && !BODILESS.has(request.method)) refuseForeignEncoding(request, reply)
      done()
    })
    app.addHook('preValidation', (request, _reply, done) => {
      if (request.body === undefined || isForm(request.body, request.mediaType)) {
        request.body = settledBody(request)
      }
      done()
    })
  },
  { name: 'bodies', fastify: '5.x' },
)

const BODILESS = new Set(['GET', 'HEAD'])

function refuseForeignEncoding(request: FastifyRequest, reply: FastifyReply): void {
  const { 'content-encoding': coding, 'content-type': type } = request.headers
  if (coding !== undefined && !/^(?:identity)?$/i.test(coding)) {
    // RFC 9110 §12.5.3: beside a 415, this says that the coding was at fault and not the type.
    reply.header('accept-encoding', 'identity')
    throw new BodyError(415, 'Send the body without a Content-Encoding; compressed bodies are not read.')
  }
  if (type !== undefined && hasForeignCharset(type)) {
    throw new BodyError(415, 'Send the body in UTF-8; no other charset is read.')
  }
}

// A chunked body has no length to look at: only its first byte, or its end, tells.
function hasNothing(payload: IncomingMessage): Promise<boolean> {
  return new Promise((resolve, reject) => {
    payload.once('data', () => resolve(false))
    payload.once('end', () => resolve(true))
    payload.once('error', () => reject(cutShort()))
  })
}

/** What validation and handlers see of a body that may be a form, or missing. */
function settledBody({ body, mediaType, routeOptions }: FastifyRequest): unknown {
  const fields = isForm(body, mediaType) ? body : {}
  const schema = routeOptions.schema?.body
  const isEmpty = Object.keys(fields).length === 0
  if (typeof schema !== 'object' || schema === null) return isEmpty ? undefined : fields
  if (isEmpty && !asksForObject(schema)) throw new BodyError(400, 'This endpoint needs a body; send JSON.')
  return convertFields(schema, fields)
}

// A form has been read by our own parsers, which make nothing else.
function isForm(body: unknown, mediaType: string | undefined): body is FormFields {
  if (body === undefined) return false
  return mediaType === 'application/x-www-form-urlencoded' || mediaType === 'multipart/form-data'
}
