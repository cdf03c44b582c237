import { readFileSync } from 'node:fs'
import { Wrong } from './faults.ts'

/** The environment as Node gives it. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The text of a setting, given as NAME or, by path, as NAME_FILE; `undefined` when it is not set. Empty or
 * blank counts as not set, for compose files pass empty strings; blanks around it are cut; so are the line
 * breaks that end a file.
 */
export function readText(env: Environment, name: string): string | Wrong | undefined {
  const direct = given(env, name)
  const path = given(env, `${name}_FILE`)
  if (direct !== undefined && path !== undefined) {
    return new Wrong(`is set twice, as ${name} and as ${name}_FILE`, 'unset one of them')
  }
  const text = path === undefined ? direct : readFile(path)
  if (text === undefined || text instanceof Wrong) return text
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text)) {
    return new Wrong('has a line break or another control character in it', 'remove it')
  }
  if (/^\s*(["'`]).*\1\s*$/u.test(text)) {
    return new Wrong('has quotes around it, which are read as part of it', 'remove the quotes')
  }
  return text.trim()
}

/** The variable, unless it is empty or blank. */
export function given(env: Environment, name: string): string | undefined {
  const text = env[name]
  return text === undefined || /^[ \t]*$/.test(text) ? undefined : text
}

function readFile(path: string): string | Wrong {
  // A secret put into NAME_FILE by mistake is no path, and the message must not print it.
  const where = /^\.{0,2}\//.test(path) && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(path) ? path : 'its file'
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
    return /\S/.test(text) ? text.replace(/[\r\n]+$/, '') : new Wrong(`is empty in ${where}`)
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'not readable'
    return new Wrong(
      `cannot be read from ${where} (${reason})`,
      'give an absolute path of a file we may read',
    )
  }
}
