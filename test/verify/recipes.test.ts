import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const HARNESS = join(ROOT, 'test/verify/recipes')
const VECTORS = join(ROOT, 'vectors/hs256.json')
const documentation = readFileSync(join(ROOT, 'docs/verify.md'), 'utf8')
const file: {
  keys: { secrets: string }
  vectors: { name: string; verdict: string; token: string; needs?: string }[]
} = JSON.parse(readFileSync(VECTORS, 'utf8'))

/** The block below `<!-- recipe: name -->`. */
function recipe(name: string): string {
  const [, text] =
    new RegExp(`<!-- recipe: ${name} -->\\n\`\`\`\\w+\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(documentation) ?? []
  if (text === undefined) throw new Error(`docs/verify.md has no recipe ${name}`)
  return text
}

const run = async (
  command: string,
  args: readonly string[],
  cwd = ROOT,
  env: Record<string, string> = {},
) => {
  const options = { cwd, timeout: 60_000, env: { ...process.env, JWT_SECRETS: file.keys.secrets, ...env } }
  return (await promisify(execFile)(command, [...args], options)).stdout
}

/** The first of the commands that this machine has, with what it needs. */
async function firstThatRuns(candidates: readonly (readonly string[])[]): Promise<string | undefined> {
  for (const [command = '', ...args] of candidates) {
    if (
      await run(command, args).then(
        () => true,
        () => false,
      )
    )
      return command
  }
  return undefined
}

interface Kitchen {
  /** What must stand in the recipe, wherever it is run. */
  readonly recipes: readonly string[]
  readonly lines: number
  /** What is missing here to run it, or a function that runs it in an empty directory and gives what it printed. */
  prepare(): Promise<string | ((area: string) => Promise<string>)>
}

const KITCHENS: Readonly<Record<string, Kitchen>> = {
  'Python, PyJWT': {
    recipes: ['pyjwt'],
    lines: 18,
    async prepare() {
      const python = await firstThatRuns(
        ['python3', '/usr/bin/python3'].map((name) => [name, '-c', 'import jwt']),
      )
      if (python === undefined) return 'python3 with PyJWT'
      return async (area) => {
        await writeFile(join(area, 'recipe.py'), recipe('pyjwt'))
        await cp(join(HARNESS, 'pyjwt.py'), join(area, 'main.py'))
        return run(python, ['main.py', VECTORS], area)
      }
    },
  },
  'Python, djangorestframework-simplejwt': {
    recipes: ['simplejwt', 'simplejwt-settings'],
    lines: 24,
    async prepare() {
      const needed = 'import jwt, django, rest_framework_simplejwt'
      const python = await firstThatRuns(['python3', '/usr/bin/python3'].map((name) => [name, '-c', needed]))
      if (python === undefined) return 'python3 with djangorestframework-simplejwt'
      return async (area) => {
        await writeFile(join(area, 'auth.py'), recipe('simplejwt'))
        await writeFile(join(area, 'recipe_settings.py'), recipe('simplejwt-settings'))
        await cp(join(HARNESS, 'simplejwt.py'), join(area, 'main.py'))
        return run(python, ['main.py', VECTORS], area)
      }
    },
  },
  'Go, golang-jwt': {
    recipes: ['go'],
    lines: 56,
    async prepare() {
      const cache = (await run('go', ['env', 'GOMODCACHE']).catch(() => '')).trim()
      const modules = join(cache, 'github.com/golang-jwt/jwt')
      const version = existsSync(modules)
        ? readdirSync(modules).find((name) => name.startsWith('v5@'))
        : undefined
      if (cache === '' || version === undefined) return 'go with golang-jwt v5 in its module cache'
      return async (area) => {
        await mkdir(join(area, 'auth'))
        await writeFile(join(area, 'auth/auth.go'), recipe('go'))
        await cp(join(HARNESS, 'main.go'), join(area, 'main.go'))
        const needed = `github.com/golang-jwt/jwt/v5 ${version.slice('v5@'.length)}`
        await writeFile(join(area, 'go.mod'), `module example.com/recipe\n\ngo 1.21\n\nrequire ${needed}\n`)
        // From what is on this machine alone: no test depends on a network.
        const offline = { GOFLAGS: '-mod=mod', GOPROXY: 'off', GOSUMDB: 'off', GOTOOLCHAIN: 'local' }
        return run('go', ['run', '.', VECTORS], area, offline)
      }
    },
  },
  'Java, Nimbus JOSE + JWT': {
    recipes: ['java'],
    lines: 36,
    async prepare() {
      const homes = [join(homedir(), '.m2/repository/com/nimbusds/nimbus-jose-jwt'), '/usr/share/java']
      const jar = homes
        .filter((home) => existsSync(home))
        .flatMap((home) => readdirSync(home, { recursive: true }).map((path) => join(home, String(path))))
        .find((path) => /nimbus-jose-jwt-?[\d.]*\.jar$/.test(path))
      const java = await firstThatRuns([['javac', '-version']])
      if (java === undefined || jar === undefined) return 'a JDK and nimbus-jose-jwt'
      return async (area) => {
        await writeFile(join(area, 'KeyturnTokens.java'), recipe('java'))
        await cp(join(HARNESS, 'Main.java'), join(area, 'Main.java'))
        await run('javac', ['-cp', jar, 'Main.java', 'KeyturnTokens.java'], area)
        const vectors = file.vectors.flatMap(({ name, token }) => [name, token])
        return run('java', ['-cp', `${jar}:.`, 'Main', ...vectors], area)
      }
    },
  },
  PHP: {
    recipes: ['php'],
    lines: 22,
    async prepare() {
      const php = await firstThatRuns([['php', '-v']])
      if (php === undefined) return 'php'
      return async (area) => {
        await writeFile(join(area, 'recipe.php'), recipe('php'))
        await cp(join(HARNESS, 'main.php'), join(area, 'main.php'))
        return run(php, ['main.php', VECTORS], area)
      }
    },
  },
}

for (const [name, { recipes, lines, prepare }] of Object.entries(KITCHENS)) {
  t.test(
    `${name}: the recipe demands every rule, and where its tools are it refuses what it should`,
    async (t) => {
      const text = recipes.map(recipe).join('')
      for (const rule of ['at+jwt', 'HS256', 'https://auth.example.com', 'keyturn', 'JWT_SECRETS'])
        t.ok(text.includes(rule) || (rule === 'JWT_SECRETS' && text.includes('secrets')), rule)
      t.match(text, /kid|keyID/i, 'the key is chosen by its name')
      t.ok(text.split('\n').length - 1 <= lines, 'it is short')

      const cook = await prepare()
      if (typeof cook === 'string') {
        t.comment(`not run here, for want of ${cook}`)
        return
      }
      const area = await mkdtemp(join(tmpdir(), 'keyturn-recipe-'))
      t.teardown(() => rm(area, { recursive: true, force: true }))
      const believed: Record<string, boolean> = JSON.parse(await cook(area))
      t.strictSame(Object.keys(believed).sort(), file.vectors.map(({ name }) => name).sort())
      for (const { name, verdict, needs } of file.vectors) {
        if (verdict === 'refuse-if-strict') continue
        t.equal(believed[name], verdict === 'accept' || needs === 'revocations', name)
      }
    },
  )
}
