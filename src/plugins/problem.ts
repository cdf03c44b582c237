import { STATUS_CODES } from 'node:http'

/** The answer to what is no proper HTTP, in the one shape of a refusal (RFC 9457), before it belongs to any route. */
export function problemOf(
  status: number,
  requestId: string,
): { readonly type: string; readonly body: string } {
  const body = JSON.stringify({
    type: 'about:blank',
    title: STATUS_CODES[status],
    status,
    detail: 'This is not a request that can be read. Check what your client sends.',
    code: 'bad_request',
    request_id: requestId,
  })
  return { type: 'application/problem+json; charset=utf-8', body }
}
