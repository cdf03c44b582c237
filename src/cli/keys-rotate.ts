import type { FileKey } from './key-file.ts'
import { newPrivateKey, newSecret, readKeyFile, replaceKeyFile, textOf } from './key-file.ts'
import type { KeyOptions, KeyReport } from './keys.ts'
import { asymmetric, named } from './keys-generate.ts'
import { UsageError } from './usage.ts'

const STEPS = ['add', 'promote', 'retire'] as const
type Step = (typeof STEPS)[number]

const NEXT: Readonly<Record<Step, string>> = {
  add:
    'It verifies and does not sign. Give it to every replica, and to verifiers that hold shared keys; verifiers by' +
    ' JWK set have it in 5 minutes. When all have it: keyturn keys rotate --promote.',
  promote:
    'It signs from now on, and the one before still verifies. When every replica has read the file, wait for' +
    ' ACCESS_TTL, with SERVER_SECRETS for REFRESH_IDLE_TTL: keyturn keys rotate --retire.',
  retire: 'What it signed is refused from now on.',
}

/** `keyturn keys rotate`: one step of a rotation, in the file. The service sees it by itself, or by SIGHUP. */
export async function rotateKeys({ subject: path, steps, kid, algorithm }: KeyOptions): Promise<KeyReport> {
  const step = STEPS.find((each) => each === steps[0])
  if (path === undefined || step === undefined || steps.length > 1) {
    throw new UsageError('Name the file, and one step: --add, --promote or --retire.')
  }
  const before = await readKeyFile(path)
  const { keys, about } = STEP_OF[step](before, kid, algorithm)
  await replaceKeyFile(path, textOf(keys))
  const kids = keys.map((key) => key.kid)
  return {
    lines: [
      `${path}: ${about.kid} ${DONE[step]}. In it now, in their order: ${kids.join(', ')}.`,
      NEXT[step],
    ],
    object: { file: path, step, kid: about.kid, kids },
  }
}

const DONE: Readonly<Record<Step, string>> = {
  add: 'was added',
  promote: 'is the first now',
  retire: 'was taken out',
}

interface Rotated {
  readonly keys: readonly FileKey[]
  /** The one that the step was about. */
  readonly about: FileKey
}

const STEP_OF: Readonly<
  Record<Step, (keys: readonly FileKey[], kid: string | undefined, algorithm: string | undefined) => Rotated>
> = {
  add(keys, kid, algorithm) {
    const [first, ...rest] = keys
    const name = named(kid, keys)
    if (keys.some((key) => key.kid === name)) throw new UsageError('That kid is taken: take another.')
    const kind = first?.algorithm
    const about = kind === undefined ? newSecret(name) : newPrivateKey(asymmetric(algorithm ?? kind), name)
    return { keys: [...(first ? [first] : []), about, ...rest], about }
  },
  promote(keys, kid) {
    const about = found(keys, kid, keys[1], 'There is no second key to promote: --add one first.')
    return { keys: [about, ...keys.filter((key) => key !== about)], about }
  },
  retire(keys, kid) {
    const last = keys.length > 1 ? keys.at(-1) : undefined
    const about = found(keys, kid, last, 'There is only one key, and it signs.')
    if (about === keys[0]) throw new UsageError('The first key signs: --promote another one before.')
    return { keys: keys.filter((key) => key !== about), about }
  },
}

function found(
  keys: readonly FileKey[],
  kid: string | undefined,
  otherwise: FileKey | undefined,
  complaint: string,
): FileKey {
  const key = kid === undefined ? otherwise : keys.find((each) => each.kid === kid)
  if (key === undefined)
    throw new UsageError(kid === undefined ? complaint : 'No key in the file has that kid.')
  return key
}
