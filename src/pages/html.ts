/** Text that is HTML already: made by `html`, and put into more of it as it stands. */
export class Html {
  readonly source: string

  /** Vouches that `source` is HTML of our own: a constant, and nothing that came from outside. */
  constructor(source: string) {
    this.source = source
  }
}

export type HtmlValue = Html | string | number | undefined | readonly HtmlValue[]

/**
 * A template that escapes whatever is put into it, so that nothing of it becomes markup; `undefined` leaves nothing.
 * Attributes must stand in double quotes, and those that hold a URL must have been checked for its scheme.
 */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return new Html(strings.map((string, index) => string + toSource(values[index])).join(''))
}

function toSource(value: HtmlValue): string {
  if (value === undefined) return ''
  if (value instanceof Html) return value.source
  if (typeof value === 'object') return value.map(toSource).join('')
  return String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
