/**
 * `; name=value` or `; name="value"` (RFC 9110 §5.6.6), with the white space that RFC forbids and clients
 * send.
 */
const parameterPattern = /;[ \t]*([\w!#$%&'*+.^`|~-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/g

/**
 * Every value a media type header gives to one parameter, in order; a name given twice is for the caller to
 * refuse.
 */
export function mediaParameters(header: string, name: string): string[] {
  return [...header.matchAll(parameterPattern)]
    .filter((match) => match[1]?.toLowerCase() === name)
    .map((match) => match[2]?.replace(/\\(.)/g, '$1') ?? match[3] ?? '')
}

/** Whether a media type header asks for its text to be read as anything but UTF-8. */
export function hasForeignCharset(header: string): boolean {
  if (!header.includes(';')) return false
  return mediaParameters(header, 'charset').some((charset) => !/^utf-?8$/i.test(charset))
}
