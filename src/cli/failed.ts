/** Exit codes of the command, after sysexits.h. */
export const EXIT = {
  /** What was brought or typed is not as it must be; messages say what. */
  data: 65,
  noInput: 66,
  noUser: 67,
  unavailable: 69,
  /** What the verb wrote could not be kept. */
  output: 74,
} as const

/** The verb has failed in a way that was foreseen: the message is all there is to say. */
export class Failed extends Error {
  override readonly name = 'Failed'
  readonly exitCode: number

  constructor(exitCode: number, message: string) {
    super(message)
    this.exitCode = exitCode
  }
}
