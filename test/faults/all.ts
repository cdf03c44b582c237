import { clockFaults } from './clock-faults.ts'
import { diskFaults } from './disk-faults.ts'
import { failovers } from './failover.ts'
import type { Fault } from './fault.ts'
import { manyFaults } from './hundred.ts'
import { keyFaults } from './key-faults.ts'
import { listenFaults } from './listen-faults.ts'
import { logFaults } from './log-faults.ts'
import { mailFaults } from './mail-faults.ts'
import { networkFaults } from './network-faults.ts'
import { oldPrimaryFaults } from './old-primary-faults.ts'
import { postgresFaults } from './postgres-faults.ts'
import { replicaFaults } from './replica-faults.ts'
import { resolverFaults } from './resolver-faults.ts'
import { restoreFaults } from './restore-faults.ts'
import { slotFaults } from './slot-faults.ts'
import { stormFaults } from './storm-faults.ts'

/** In the order in which `npm run faults` has them happen. */
export const FAULTS: readonly Fault[] = [
  ...postgresFaults,
  ...slotFaults,
  ...networkFaults,
  ...resolverFaults,
  ...manyFaults,
  ...failovers,
  ...oldPrimaryFaults,
  ...restoreFaults,
  ...diskFaults,
  ...listenFaults,
  ...keyFaults,
  ...mailFaults,
  ...logFaults,
  ...replicaFaults,
  ...clockFaults,
  ...stormFaults,
]
