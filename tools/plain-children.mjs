// Loaded by tap into each process of tests: what a test starts, it starts as it is. Tap would load its own record of modules
// into every Node.js among it, which only coverage asks for and which costs as much CPU as to start the service.
import processOnSpawn from 'process-on-spawn'

if (process.env._TAPJS_PROCESSINFO_COVERAGE_ === '0') {
  processOnSpawn.removeAllListeners()
  delete process.env.NODE_OPTIONS
}
