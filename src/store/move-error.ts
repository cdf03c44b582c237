/** What is brought cannot be read; the message is for a person. */
export class MoveError extends Error {
  override readonly name = 'MoveError'
}
