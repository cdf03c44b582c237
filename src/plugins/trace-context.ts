/** Where a request belongs in a trace that somebody else began. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** Of the span that called us, 16 hexadecimal digits. */
  readonly parentId: string
}

const TRACEPARENT = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-[\da-f]{2}(-.*)?$/
const LONGEST = 256

/**
 * Reads the header `traceparent` of W3C Trace Context (Level 1, 3.2 and 4). What is malformed is as good as absent; of a
 * version that is not known yet the known beginning counts.
 */
export function readTraceContext(header: string | string[] | undefined): TraceContext | undefined {
  if (typeof header !== 'string' || header.length > LONGEST) return undefined
  const [, version, traceId = '', parentId = '', rest] = TRACEPARENT.exec(header) ?? []
  if (version === undefined || version === 'ff') return undefined
  if (version === '00' && rest !== undefined) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined
  return { traceId, parentId }
}

/** The id that a proxy before us gave the request, where it looks like one: a UUID, or as many hexadecimal digits. */
export function readForeignId(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && /^[\da-f-]{16,64}$/i.test(header) ? header : undefined
}
