import type { ParseArgsConfig } from 'node:util'
import { parseArgs } from 'node:util'
import { UsageError } from './usage.ts'

type Options = NonNullable<ParseArgsConfig['options']>
type Parsed<T extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; allowPositionals: true; strict: true; options: T }>
>

/**
 * What was typed behind a verb.
 * @throws UsageError that begins with what is wrong
 */
export function parse<const T extends Options>(
  args: readonly string[],
  options: T,
  usage: string,
): Parsed<T> {
  if (args.includes('--help')) throw new UsageError(usage)
  try {
    return parseArgs({ args: [...args], allowPositionals: true, strict: true, options })
  } catch (error) {
    // The first sentence: the others tell how to pass a file that begins with a dash.
    const reason = error instanceof Error ? error.message.split('. ')[0] : 'That cannot be read'
    throw new UsageError(`${reason}.\n\n${usage}`)
  }
}
