import t from 'tap'
import { newEmailFaults } from '../../src/core/own-address.ts'

const OWN = { sender: 'Robot', domains: ['auth.example.com', 'xn--mller-kva.example', 'm\u00fcller.example'] }
const OF_THE_SERVICE = [/belongs to the service itself\. Use one of your own\.$/]

t.test(
  'nobody has an address that the service writes from, or that its mail domain answers by machine',
  (t) => {
    for (const domain of OWN.domains) {
      for (const local of ['robot', 'no-reply', 'noreply', 'postmaster', 'mailer-daemon']) {
        for (const address of [
          `${local}@${domain}`,
          `${local.toUpperCase()}@${domain.toUpperCase()}`,
          `${local}+tag@${domain}`,
          `${local.replace('r', 'R')}@${domain.normalize('NFD')}`,
        ])
          t.match(newEmailFaults(OWN, address), OF_THE_SERVICE, address)
      }
    }
    t.end()
  },
)

t.test('people at the domain of the service, and machines at others, are welcome', (t) => {
  for (const address of [
    'ada@auth.example.com',
    'robota@auth.example.com',
    'a.robot@auth.example.com',
    'ada+robot@auth.example.com',
    'robot@example.com',
    'postmaster@example.org',
    'no-reply@mail.auth.example.com',
  ])
    t.same(newEmailFaults(OWN, address), [], address)
  t.end()
})

t.test('a sender with a tag is itself alone, not the person whose mailbox it is', (t) => {
  const own = { sender: 'ada+keyturn', domains: ['example.org'] }
  t.match(newEmailFaults(own, 'Ada+Keyturn@example.org'), OF_THE_SERVICE)
  t.same(newEmailFaults(own, 'ada@example.org'), [])
  t.end()
})

t.test('what is no address at all is told so, and nothing else', (t) => {
  t.same(newEmailFaults(OWN, 'robot@'), ['Enter a valid email address.'])
  t.same(newEmailFaults(OWN, ''), ['This field may not be blank.'])
  t.end()
})
