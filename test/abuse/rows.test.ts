import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { FAULTS } from '../faults/all.ts'

/** README.md beside this file is the list of what is withstood; it is checked against abuse-cases.md and the tests. */

/** The numbers of abuse-cases.md, which has gaps on purpose. */
const NUMBERS: Readonly<Record<string, string>> = {
  A: '1 2 4 5 6 8 9 10 12 13 14 16 17 18 20 21 22 24 25 26 28 29 30 32 33 34 36 37 38 40 41 42 44 45 46 48 49 50',
  B: '1 2 5 6 8 9 10 12 13 14 16 17 20 21 22 24',
  C: '1 2 4 5 6 8 9 10',
  D: '1 2 4 5 6 8 9 10 12 13 14',
  E: '1 2 4 5 6 8 9 10 12 13 14 16 17 18 20 21 22',
  F: '1 2 4 5 6 8 9 10 12 13 14 16 17 18 20',
  G: '1 2 4 5 6 8 9 10 12 13 14 16 17 18 20 21 22',
  H: '1 2 4 5 6 8 9 10 12 13 14 16 17 18 20 21 22 24 25 26 28 29 30 32 33 34 36',
  I: '1 2 4 5 6 8 9 10 12',
  J: '1 2 4 5 6',
  K: '1 2 4 5 6 8 9 10 12',
  L: '1 2 4 5 6',
  M: '1 2 4 5 6 8 9 10 12',
  N: '1 2 4 5 6 8 9 10 12 13',
}

const readme = readFileSync('test/abuse/README.md', 'utf8')
const rows = [...readme.matchAll(/^\| ([A-N]\d+) \| (.*) \| (.*) \|$/gm)].map(([, row, promise, held]) => ({
  row,
  promise,
  held: held ?? '',
}))
const named = [...readme.matchAll(/`([\w/.-]+\.test\.ts)` “([^”]+)”/g)].map(([, file = '', title = '']) => ({
  file,
  title,
}))

/** As they stand in the source, with what a test puts into them. */
function titlesIn(file: string): Set<string> {
  const source = readFileSync(`test/${file}`, 'utf8')
  const found = [...source.matchAll(/\btest\(\s*(['"`])((?:(?!\1).)+)\1/g)].map(([, , title = '']) => title)
  return new Set(
    found.map((title) =>
      title.replace(/\\u(\w{4})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 16))),
    ),
  )
}

t.test('every row of abuse-cases.md stands in README.md once, in its order', async (t) => {
  const wanted = Object.entries(NUMBERS).flatMap(([group, numbers]) =>
    numbers.split(' ').map((number) => group + number),
  )
  t.same(
    rows.map(({ row }) => row),
    wanted,
  )
})

t.test('every row makes a promise and names the test that holds it', async (t) => {
  const open = rows.filter(({ promise, held }) => promise === '—' || !held.includes('.test.ts` “'))
  t.same(
    open.map(({ row }) => row),
    [],
  )
})

t.test(
  'every title that README.md names is that of a test, and every test of this folder is named',
  async (t) => {
    const titles = new Map([...new Set(named.map(({ file }) => file))].map((file) => [file, titlesIn(file)]))
    t.same(
      named.filter(({ file, title }) => !titles.get(file)?.has(title)),
      [],
    )
    const ours = readdirSync('test/abuse').filter(
      (name) => name.endsWith('.test.ts') && name !== 'rows.test.ts',
    )
    const all = ours.flatMap((name) =>
      [...titlesIn(`abuse/${name}`)].map((title) => `abuse/${name} ${title}`),
    )
    const told = new Set(named.map(({ file, title }) => `${file} ${title}`))
    t.same(
      all.filter((each) => !told.has(each) && !/ where \$\{algorithm\} signs$/.test(each)),
      [],
    )
  },
)

t.test(
  'every fault that README.md names is one of npm run faults, each of which the project publishes',
  async (t) => {
    const names = FAULTS.map(({ name }) => name)
    const [, table = ''] = readme.split('\n## Faults\n')
    const told = [...table.matchAll(/^\| \d+ \| .* \| (.*) \|$/gm)].flatMap(([, cell = '']) => [
      ...cell.matchAll(/“([^”]+)”/g),
    ])
    t.ok(told.length > 20, `${told.length} are named`)
    t.same(
      told.filter(([, name = '']) => !names.includes(name)),
      [],
    )
    const published = readFileSync('README.md', 'utf8')
    t.same(
      names.filter((name) => !published.includes(`\n| ${name} |`)),
      [],
    )
  },
)
