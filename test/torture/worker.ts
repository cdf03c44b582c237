import { parentPort } from 'node:worker_threads'
import type { Part } from './campaign.ts'
import { runPart } from './campaign.ts'

parentPort?.on('message', async (part: Part) => parentPort?.postMessage(await runPart(part)))
