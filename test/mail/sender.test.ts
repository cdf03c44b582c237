import t from 'tap'
import { readConfig } from '../../src/config.ts'
import { ownMailOf, parseSender } from '../../src/mail/sender.ts'

t.test('name and address of a sender, with and without a name', (t) => {
  t.same(parseSender('a@b.example'), { name: '', address: 'a@b.example' })
  t.same(parseSender('Die B\u00fccherei <a@b.example>'), {
    name: 'Die B\u00fccherei',
    address: 'a@b.example',
  })
  t.end()
})

t.test('the mail of the service is where its letters come from, in each spelling of the domain', (t) => {
  t.same(ownMailOf('Keyturn <robot@xn--mller-kva.example>'), {
    sender: 'robot',
    domains: ['xn--mller-kva.example', 'm\u00fcller.example'],
  })
  const { mailFrom } = readConfig({ PUBLIC_URL: 'https://auth.example.com' })
  t.match(ownMailOf(mailFrom), { sender: 'no-reply', domains: ['auth.example.com', 'auth.example.com'] })
  t.end()
})
