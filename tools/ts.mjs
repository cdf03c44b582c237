// Node 20 cannot read TypeScript; from 22.18 on it can, and this file then does nothing.
import { register } from 'node:module'

if (!process.features.typescript) register('./ts-hooks.mjs', import.meta.url)
