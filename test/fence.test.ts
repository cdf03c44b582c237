import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

/**
 * The fence around the rooms of the house. When it fails, the line usually stands in the wrong room:
 * CONTRIBUTING.md, "Where does a line live?", tells the right one. A new arrow is a decision of its own; whoever
 * takes it changes the table here and the picture in CONTRIBUTING.md in the same commit.
 */
const SRC = fileURLToPath(new URL('../src', import.meta.url))

interface Room {
  /** Path below src, or how it begins. The first room that fits a file is its room. */
  readonly room: string
  /** Beginnings of the paths below src that it may import. */
  readonly files: readonly string[]
  /** Packages by name, or by the beginning of a name where it ends in `:` or `/`. */
  readonly packages: readonly string[]
}

const EVERY_ROOM = ['core/', 'store/', 'mail/', 'pages/', 'plugins/', 'dialects/']
/** What a dialect may know of the plugins: how to state an endpoint, how a refusal looks, who is calling. */
const SPOKEN_BY_DIALECTS = ['endpoint', 'refusal', 'guards', 'caller'].map((file) => `plugins/${file}.ts`)

/** The process around the service, and what only a start needs. */
const PROCESS = [
  'app.ts',
  'server.ts',
  'development.ts',
  'announce.ts',
  'key-source.ts',
  'limits.ts',
  'policy.ts',
  'cli.ts',
  'cli/',
]

const ROOMS: readonly Room[] = [
  {
    room: 'core/bcrypt-worker.js',
    files: ['core/'],
    packages: ['@node-rs/argon2', 'bcrypt', 'node:crypto', 'node:os'],
  },
  { room: 'core/', files: ['core/'], packages: ['node:crypto', 'bcrypt', 'uuid'] },
  { room: 'store/', files: ['core/', 'store/'], packages: ['drizzle-orm', 'pg', 'uuid', 'node:'] },
  { room: 'mail/', files: ['core/', 'mail/'], packages: ['nodemailer', 'node:'] },
  { room: 'pages/', files: ['core/', 'pages/'], packages: ['node:crypto'] },
  {
    room: 'plugins/',
    files: ['core/', 'store/', 'mail/', 'pages/', 'plugins/'],
    packages: [
      'fastify',
      'fastify-plugin',
      '@fastify/',
      'typebox',
      'piscina',
      'ajv',
      'ajv-formats',
      '@zxcvbn-ts/',
      'node:',
    ],
  },
  {
    room: 'dialects/',
    files: ['core/', 'pages/', 'dialects/', ...SPOKEN_BY_DIALECTS],
    packages: ['fastify', 'typebox'],
  },
  // Runs inside other people's services, on other run times too: no room of ours, nothing of Node.
  { room: 'verify/', files: ['verify/'], packages: ['jose'] },
  { room: 'config.ts', files: ['config/'], packages: ['node:'] },
  { room: 'config/', files: ['config/'], packages: ['node:'] },
  ...PROCESS.map((room) => ({
    room,
    files: [...EVERY_ROOM, 'config.ts', ...PROCESS],
    packages: ['fastify', '@fastify/', 'close-with-grace', 'uuid', 'node:'],
  })),
]

/** Who may ask what time it is, and why it cannot be told instead. */
const CLOCKS: Readonly<Record<string, string>> = {
  'core/bcrypt-worker.js': 'the time that its own work takes, by which checks of unlike kinds are made alike',
  'app.ts': 'the world that is handed to the core, and that tests replace',
  'plugins/bcrypt-pool.ts': 'how long a hash waits, for the metrics',
  'plugins/patience.ts': 'how long one request has waited',
  'plugins/process-metrics.ts': 'how late timers are, for the metrics',
  'verify/options.ts': 'the default of an option of createVerifier',
  'verify/testing.ts': 'the default of an option of createTestIssuer',
}

/** Files that may be longer than `LINES_MAX`, up to where, and why. */
const LINES_MAX = 200
const LONG_FILES: Readonly<Record<string, { readonly lines: number; readonly why: string }>> = {
  'core/ports.ts': { lines: 420, why: 'a list of promises; a reader of one wants the others beside it' },
  'config/settings.ts': { lines: 420, why: 'a table with one entry a setting' },
  'store/schema.ts': { lines: 280, why: 'every table, and nothing else' },
}

interface Source {
  /** Below src, with slashes. */
  readonly path: string
  readonly text: string
  /** The text without its comments. */
  readonly code: string
}

interface Import {
  readonly from: string
  /** A path below src, or the name of a package. */
  readonly to: string
  readonly local: boolean
}

const sources: readonly Source[] = readdirSync(SRC, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))
  .map((file) => {
    const text = readFileSync(file, 'utf8')
    return { path: relative(SRC, file).replaceAll('\\', '/'), text, code: withoutComments(text) }
  })
  .sort((a, b) => byName(a.path, b.path))

t.test('every file of src stands in a room', async (t) => {
  const strays = sources.filter(({ path }) => !/\.[jt]s$/.test(path) || roomOf(path) === undefined)
  t.ok(sources.length > 50, 'there are files to look at')
  t.strictSame(
    strays.map(
      ({ path }) => `src/${path} is in no room: move it into one, or add one to ROOMS and CONTRIBUTING.md`,
    ),
    [],
  )
})

t.test('no file imports what its room may not', async (t) => {
  const imports = sources.flatMap(importsOf)
  t.ok(imports.length > 100, 'there are imports to look at')
  t.strictSame(imports.flatMap(trespass), [])
})

t.test(
  'no import escapes the fence: each is literal, and a local one names a file that exists',
  async (t) => {
    const hidden = sources.filter(({ code }) => /\b(?:import|require)\s*\((?!\s*'[^']+'\s*\))/.test(code))
    const missing = sources.flatMap(importsOf).filter(({ to, local }) => local && !existsSync(join(SRC, to)))
    t.strictSame(
      [
        ...hidden.map(({ path }) => `src/${path} imports what only running it would tell`),
        ...missing.map(({ from, to }) => `src/${from} imports src/${to}, which does not exist`),
      ],
      [],
    )
  },
)

t.test('the environment is read in config.ts and nowhere else', async (t) => {
  const readers = sources.filter(({ code }) => /\bprocess\s*\.\s*env\b|\bprocess\s*\[/.test(code))
  t.strictSame(
    readers.map(({ path }) => path),
    ['config.ts'],
    'whoever needs a setting is handed it; a new one is an entry in config/settings.ts',
  )
})

t.test('the clock is read where it is listed, and nowhere else', async (t) => {
  const clock = /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.now\b|\bhrtime\b/
  const readers = sources.filter(({ code }) => clock.test(code)).map(({ path }) => path)
  t.strictSame(
    readers,
    Object.keys(CLOCKS).sort(byName),
    'take `now` as an argument, or list the file with a reason',
  )
})

t.test('nothing is of type any, nothing silences the compiler, nothing writes to the console', async (t) => {
  const anyType = /(?:[:<|&,(=]|\bas)\s*any\s*(?:[[\]>,;)=|&{}]|$)/m
  const faults = sources.flatMap(({ path, text, code }) => [
    ...(anyType.test(code) ? [`src/${path} uses any: take unknown and narrow it`] : []),
    ...(/@ts-(?:ignore|expect-error|nocheck)/.test(text) ? [`src/${path} silences the compiler`] : []),
    ...(/\bconsole\s*\./.test(code) ? [`src/${path} uses console: take the logger of the app`] : []),
  ])
  t.strictSame(faults, [])
})

t.test('the core cannot spell HTTP or SQL, not even in a comment', async (t) => {
  const wire = /fastify|\bhttps?\b|\bstatus code\b|statusCode|\bcookies?\b/i
  const tables = /drizzle|\b(?:SELECT|INSERT INTO|DELETE FROM|WHERE|RETURNING|ON CONFLICT)\b/
  const faults = sources
    .filter(({ path }) => path.startsWith('core/'))
    .flatMap(({ path, text }) => {
      const word = (wire.exec(text) ?? tables.exec(text))?.[0]
      return word === undefined
        ? []
        : [`src/${path} says "${word}": the wire is for dialects/, tables for store/`]
    })
  t.strictSame(faults, [])
})

t.test(
  'no text is taken for SQL, and names of tables for none but the sweep, which lists its own',
  async (t) => {
    const takers = sources.filter(({ code }) => /\bsql\s*\.\s*(?:raw|identifier)\b/.test(code))
    t.strictSame(
      takers.map(({ path }) => path),
      ['store/sweep.ts'],
    )
    t.notOk(sources.some(({ code }) => /\bsql\s*\.\s*raw\b/.test(code)))
  },
)

t.test('files are short, or listed with a reason', async (t) => {
  const faults = sources.flatMap(({ path, text }) => {
    const lines = text.split('\n').length - 1
    const max = LONG_FILES[path]?.lines ?? LINES_MAX
    if (lines > max)
      return [`src/${path} has ${lines} lines of at most ${max}: cut it in two by reason to change`]
    return LONG_FILES[path] && lines <= LINES_MAX
      ? [`src/${path} is short again: take it off LONG_FILES`]
      : []
  })
  t.strictSame(faults, [])
})

function trespass({ from, to, local }: Import): string[] {
  const room = roomOf(from)
  if (room === undefined) return []
  const allowed = local ? room.files.some((start) => to.startsWith(start)) : room.packages.some(names(to))
  if (allowed) return []
  return [
    `src/${from} imports ${to}, but ${room.room} may import only ${[...room.files, ...room.packages].join(' ')}. ` +
      'The line belongs to another room (CONTRIBUTING.md, "Where does a line live?"). If the house is to have this ' +
      'arrow, add it to ROOMS in this test and to CONTRIBUTING.md.',
  ]
}

function byName(a: string, b: string): number {
  return a < b ? -1 : 1
}

function roomOf(path: string): Room | undefined {
  return ROOMS.find(({ room }) => (room.endsWith('/') ? path.startsWith(room) : path === room))
}

/** Whether an entry of `packages` lets this package in: `drizzle-orm` also for `drizzle-orm/node-postgres`. */
function names(to: string): (entry: string) => boolean {
  return (entry) => (/[:/]$/.test(entry) ? to.startsWith(entry) : to === entry || to.startsWith(`${entry}/`))
}

function importsOf({ path, code }: Source): Import[] {
  const specifiers = code.matchAll(/(?:^|[\s;}])(?:from|import)\s*\(?\s*'([^']+)'/g)
  return [...specifiers].map(([, specifier = '']) => {
    const local = specifier.startsWith('.')
    const to = local ? relative(SRC, resolve(SRC, dirname(path), specifier)).replaceAll('\\', '/') : specifier
    return { from: path, to, local }
  })
}

/** Comments by whole lines and blocks, which is how this house writes them; what is left is code and strings. */
function withoutComments(text: string): string {
  return text.replace(/^\s*\/\*[\s\S]*?\*\//gm, '').replace(/^\s*\/\/.*$/gm, '')
}
