import type { DjangoUser } from '../core/move-from-django.ts'
import { fromDjango } from '../core/move-from-django.ts'
import type { Moving } from '../core/move-ports.ts'
import { openDjangoDatabase } from '../store/django-database.ts'
import { readDjangoDump } from '../store/django-dump.ts'
import type { ImportOptions } from './import.ts'
import { openLines } from './read-lines.ts'
import type { Source } from './run-import.ts'
import { runImport } from './run-import.ts'

/** `keyturn import django`: from a database that Django uses, or from a dump of it. */
export async function importDjango(options: ImportOptions, print: (line: string) => void): Promise<void> {
  const { from, table } = options
  async function* judged(batches: AsyncIterable<readonly DjangoUser[]>): AsyncGenerator<Moving[]> {
    for await (const batch of batches) yield batch.map((user) => fromDjango(user, options))
  }

  if (/^postgres(?:ql)?:/.test(from)) {
    const database = await openDjangoDatabase(from, table)
    const source: Source = {
      fraction: (read) => (database.total === 0 ? 1 : read / database.total),
      lastId: () => database.lastId,
      batches: () => judged(database.batches()),
    }
    return runImport(source, options, print).finally(() => database.close())
  }

  const file = await openLines(from)
  const dump = readDjangoDump(file.lines(), table)
  return runImport(
    { fraction: () => file.fraction(), lastId: () => dump.lastId, batches: () => judged(dump.batches()) },
    options,
    print,
  )
}
