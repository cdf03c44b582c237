import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import type { Part } from './campaign.ts'
import { runPart } from './campaign.ts'

// Of this thread alone, on Linux. The hashes of services under test, beside us, give way to whatever else wants a core.
setPriority(0, 19)
// Nobody reads the stacks of a million refusals, and they take a fifth of the time.
Error.stackTraceLimit = 0

parentPort?.on('message', async (part: Part) => parentPort?.postMessage(await runPart(part)))
