/** A bar on a terminal, and nothing anywhere else: in a log it would be a thousand lines. */
export interface Progress {
  /** @param fraction from 0 to 1; `undefined` where the end is not known */
  show(fraction: number | undefined, count: number): void
  clear(): void
}

const WIDTH = 30

export function createProgress(stream: NodeJS.WriteStream): Progress {
  if (!stream.isTTY) return { show() {}, clear() {} }
  return {
    show(fraction, count) {
      const done = Math.round((fraction ?? 0) * WIDTH)
      const bar =
        fraction === undefined
          ? ''
          : `[${'#'.repeat(done)}${'.'.repeat(WIDTH - done)}] ${Math.floor(fraction * 100)} % `
      stream.write(`\r\u001b[K${bar}${count.toLocaleString('en')} accounts`)
    },
    clear() {
      stream.write('\r\u001b[K')
    },
  }
}
