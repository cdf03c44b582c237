import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LetterName, Placeholder, Template, Templates } from './templates.ts'
import { BRACES, PLACEHOLDERS } from './templates.ts'

/** What is wrong with a file of MAIL_TEMPLATES_DIR, in words for the operator. */
export interface TemplateFault {
  readonly file: string
  /** From 1; `undefined` where the file as a whole is meant. */
  readonly line?: number | undefined
  readonly problem: string
}

/** Thrown with every fault at once; `message` is ready for a terminal, one line a fault. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
  readonly faults: readonly TemplateFault[]

  constructor(faults: readonly TemplateFault[]) {
    const count = faults.length === 1 ? '1 thing is wrong' : `${faults.length} things are wrong`
    super([`Keyturn does not start: ${count} in MAIL_TEMPLATES_DIR.`, ...faults.map(toLine)].join('\n'))
    this.faults = faults
  }
}

const PARTS = ['subject.txt', 'txt', 'html'] as const
type Part = (typeof PARTS)[number]

const LETTERS = Object.entries(PLACEHOLDERS).map(([name]) => name)
const FILE_MAX_BYTES = 100 * 1024
const SUBJECT_MAX_LENGTH = 200

/**
 * Reads the letters that the operator has put into words of his own: `<letter>.subject.txt`, `<letter>.txt` and
 * `<letter>.html`. A file whose name begins with a dot is none of ours: Kubernetes and editors leave such.
 * @throws TemplateError
 */
export async function readTemplates(directory: string | undefined): Promise<Templates> {
  if (directory === undefined) return new Map()
  const names = await namesIn(directory)
  const faults: TemplateFault[] = []
  const templates = new Map<LetterName, Template>()
  for (const file of names.filter((name) => partsOf(name) === undefined)) {
    const problem = `is no file of a letter; expected ${PARTS.map((part) => `<letter>.${part}`).join(', ')}, where <letter> is ${LETTERS.join(', ')}`
    faults.push({ file, problem })
  }
  for (const letter of new Set(names.flatMap((name) => partsOf(name)?.letter ?? []))) {
    const parts = await Promise.all(
      PARTS.map((part) => readPart(directory, names, letter, part, (fault) => faults.push(fault))),
    )
    const [subject = '', text = '', html = ''] = parts
    templates.set(letter, { subject: subject.trim(), text, html })
  }
  if (faults.length > 0) throw new TemplateError(faults.sort(byPlace))
  return templates
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).filter((name) => !name.startsWith('.')).sort()
  } catch (error) {
    throw new TemplateError([
      { file: directory, problem: `cannot be read as a directory (${codeOf(error)})` },
    ])
  }
}

function partsOf(file: string): { letter: LetterName; part: Part } | undefined {
  const dot = file.indexOf('.')
  const letter = Object.keys(PLACEHOLDERS).find((name): name is LetterName => name === file.slice(0, dot))
  const part = PARTS.find((each) => each === file.slice(dot + 1))
  return letter === undefined || part === undefined ? undefined : { letter, part }
}

async function readPart(
  directory: string,
  names: readonly string[],
  letter: LetterName,
  part: Part,
  report: (fault: TemplateFault) => void,
): Promise<string> {
  const file = `${letter}.${part}`
  if (!names.includes(file)) {
    report({
      file,
      problem: `is missing: a letter is ${PARTS.map((each) => `${letter}.${each}`).join(', ')}`,
    })
    return ''
  }
  const read = await readText(join(directory, file))
  if ('problem' in read) {
    report({ file, ...read })
    return ''
  }
  for (const fault of faultsIn(letter, part, read.text)) report({ file, ...fault })
  return read.text
}

async function readText(path: string): Promise<{ text: string } | { problem: string }> {
  try {
    const bytes = await readFile(path)
    if (bytes.length > FILE_MAX_BYTES) return { problem: `is longer than ${FILE_MAX_BYTES / 1024} KiB` }
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) }
  } catch (error) {
    return { problem: error instanceof TypeError ? 'is not UTF-8' : `cannot be read (${codeOf(error)})` }
  }
}

function faultsIn(letter: LetterName, part: Part, text: string): Omit<TemplateFault, 'file'>[] {
  if (text.trim() === '') return [{ problem: 'is empty' }]
  const isSubject = part === 'subject.txt'
  const allowed: readonly Placeholder[] = isSubject ? ['site'] : PLACEHOLDERS[letter]
  const faults = text
    .split('\n')
    .flatMap((line, index) => lineProblems(line, allowed).map((problem) => ({ line: index + 1, problem })))
  if (isSubject) {
    const isOneLine = !/\p{Cc}/u.test(text.trim()) && text.trim().length <= SUBJECT_MAX_LENGTH
    const problem = `is not one line of up to ${SUBJECT_MAX_LENGTH} characters`
    return isOneLine ? faults : [...faults, { problem }]
  }
  // Where a link is good for so many hours only, the letter is about that link.
  const needsLink = allowed.includes('hours')
  const hasLink = [...text.matchAll(BRACES)].some(([, name = '']) => name.trim() === 'link')
  const problem = 'has no {{link}}, and without it the letter is of no use'
  return hasLink || !needsLink ? faults : [...faults, { problem }]
}

function lineProblems(line: string, allowed: readonly Placeholder[]): string[] {
  const expected = `expected ${allowed.map((name) => `{{${name}}}`).join(' ')}`
  const names = [...line.matchAll(BRACES)].map(([, name = '']) => name.trim())
  const problems = names
    .filter((name) => !allowed.some((each) => each === name))
    .map((name) => `has {{${name.slice(0, 40)}}}, which stands for nothing here; ${expected}`)
  const isOpen = line.replace(BRACES, '').includes('{{')
  return isOpen ? [...problems, `has a {{ that does not end; ${expected}`] : problems
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}

function toLine({ file, line, problem }: TemplateFault): string {
  return `  ${line === undefined ? file : `${file}:${line}`} ${problem}`.replace(/\p{Cc}/gu, '?')
}

function byPlace(a: TemplateFault, b: TemplateFault): number {
  return a.file === b.file ? (a.line ?? 0) - (b.line ?? 0) : a.file < b.file ? -1 : 1
}
