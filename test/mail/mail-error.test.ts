import t from 'tap'
import { toMailError } from '../../src/mail/mail-error.ts'

t.test(
  'only a refusal of the recipient or of the message is for good; everything else may pass',
  async (t) => {
    for (const [command, responseCode, code, permanent] of [
      ['RCPT TO', 550, 'smtp_rcpt_550', true],
      ['DATA', 554, 'smtp_data_554', true],
      ['RCPT TO', 451, 'smtp_rcpt_451', false],
      ['RCPT TO', 503, 'smtp_rcpt_503', false],
      ['MAIL FROM', 553, 'smtp_mail_553', false],
      ['AUTH PLAIN', 535, 'smtp_auth_535', false],
      ['CONN', 421, 'smtp_conn_421', false],
    ] as const) {
      const error = Object.assign(new Error('no'), { command, responseCode })
      t.match(toMailError(error), { code, permanent })
    }
  },
)

t.test('an error keeps nothing of what a mail server or the network said, but a code', async (t) => {
  const said = 'connect ECONNREFUSED, 550 <ada@example.com> unknown'
  for (const [fields, code] of [
    [{ code: 'ESOCKET', originalCode: 'ECONNREFUSED' }, 'econnrefused'],
    [{ code: 'ETIMEDOUT', timeoutType: 'GREETING_TIMEOUT' }, 'greeting_timeout'],
    [{ code: 'ada@example.com' }, 'unknown'],
    [{ command: 'ada@example.com', responseCode: 421 }, 'smtp_conn_421'],
    [{}, 'unknown'],
  ] as const) {
    const error = toMailError(Object.assign(new Error(said), { response: said, ...fields }))
    t.equal(error.code, code)
    t.equal(error.message, code)
    t.notMatch(JSON.stringify({ ...error, stack: error.stack, cause: error.cause }), /ada@/)
  }
  t.match(toMailError('thrown'), { code: 'unknown', permanent: false })
})
