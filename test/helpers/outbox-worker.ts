import { createSmtpMailer } from '../../src/mail/mailer.ts'
import { startOutbox } from '../../src/mail/outbox.ts'
import { openDatabase } from '../../src/store/database.ts'
import { createOutboxStore } from '../../src/store/outbox.ts'
import { FROM, keys, LINKS } from './outbox.ts'

// A worker in a process of its own, to be killed: <database URL> <SMTP URL> <seconds of the lease>.
const [databaseUrl = '', smtpUrl = '', lease = ''] = process.argv.slice(2)
const quiet = () => {}
startOutbox({
  store: createOutboxStore(openDatabase({ url: databaseUrl, poolMax: 4, onIdleError: quiet })),
  mailer: createSmtpMailer({ url: smtpUrl, from: FROM, requireTls: false }),
  keys,
  links: LINKS,
  log: { info: quiet, warn: quiet, error: quiet },
  timing: { leaseSeconds: Number(lease), pollSeconds: 0.02, idleSeconds: 0.2 },
})
