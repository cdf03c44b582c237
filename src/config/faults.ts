/** Exit status of a start that the settings forbid: EX_CONFIG of BSD `sysexits.h`. */
export const EXIT_CONFIG = 78

/** One wrong setting, in words for the operator. No field ever holds the value of a secret. */
export interface Fault {
  /** Name of the environment variable, e.g. `ACCESS_TTL`. */
  readonly setting: string
  /** What is wrong with it, e.g. `has no unit`. */
  readonly problem: string
  /** What would have been right. */
  readonly expected: string
  /** What to do about it. */
  readonly remedy: string
}

/** What a parser answers instead of a value. `problem` and `remedy` must not quote the text that was read. */
export class Wrong {
  readonly problem: string
  readonly remedy: string | undefined

  constructor(problem: string, remedy?: string) {
    this.problem = problem
    this.remedy = remedy
  }
}

/**
 * Thrown by `readConfig` with every wrong setting at once; `message` is ready for a terminal, one line a
 * fault.
 */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly faults: readonly Fault[]

  constructor(faults: readonly Fault[]) {
    const count = faults.length === 1 ? '1 setting is wrong' : `${faults.length} settings are wrong`
    super([`Keyturn does not start: ${count}.`, ...faults.map(line)].join('\n'))
    this.faults = faults
  }
}

function line({ setting, problem, expected, remedy }: Fault): string {
  return `  ${setting} ${problem}; expected ${expected}; ${remedy}`
}
