import { Type } from 'typebox'

/** The field by which a client asks for tokens of other audiences; none where there are none to ask for. */
export function audienceField(audiences: readonly string[]) {
  if (audiences.length === 0) return {}
  const description =
    `Services that tokens are wanted for beside ours, separated by spaces, of: ${audiences.join(', ')}.` +
    ' They come in access_for, by name, and live as long as access.'
  return { audience: Type.Optional(Type.String({ maxLength: 1024, description })) }
}

/** The audiences of a body that has let the field through. */
export function audiencesIn(body: unknown): string[] {
  const asks = typeof body === 'object' && body !== null && 'audience' in body
  const text = asks && typeof body.audience === 'string' ? body.audience : ''
  return text.split(' ').filter((name) => name !== '')
}
