import { fromLine } from '../core/account-line.ts'
import type { Moving } from '../core/move-ports.ts'
import type { ImportOptions } from './import.ts'
import { openLines } from './read-lines.ts'
import { runImport } from './run-import.ts'

const BATCH = 2000

/** `keyturn import jsonl`: from lines of JSON, ours or anybody's. */
export async function importJsonl(options: ImportOptions, print: (line: string) => void): Promise<void> {
  const file = await openLines(options.from)

  async function* batches(): AsyncGenerator<Moving[]> {
    let batch: Moving[] = []
    let number = 0
    for await (const line of file.lines()) {
      number += 1
      if (line.trim() === '') continue
      batch.push(fromLine(line, number))
      if (batch.length < BATCH) continue
      yield batch
      batch = []
    }
    if (batch.length > 0) yield batch
  }

  await runImport({ fraction: () => file.fraction(), lastId: () => 0, batches }, options, print)
}
