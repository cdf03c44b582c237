import { base64url } from 'jose'

/** The bytes of base64url in its only spelling, without padding or spare bits (RFC 4648, 3.5), or `undefined`. */
export function decodeBase64url(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const bytes = new Uint8Array(base64url.decode(text))
    return base64url.encode(bytes) === text ? bytes : undefined
  } catch {
    return undefined
  }
}
