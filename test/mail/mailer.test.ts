import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Message } from '../../src/mail/mailer.ts'
import { createSmtpMailer } from '../../src/mail/mailer.ts'
import { createSmtpServer } from '../helpers/smtp.ts'

const MESSAGE: Message = {
  id: '01890000-0000-7000-8000-000000000000',
  to: 'ada@example.com',
  subject: 'Subject',
  text: 'text',
  html: '<p>text</p>',
  links: [],
  writtenAt: 0,
}

t.test(
  'no letter reads a file or opens a URL, whatever stands in for its text and in SMTP_URL',
  async (t) => {
    const smtp = await createSmtpServer(t)
    let opened = 0
    const web = createServer((_request, response) => {
      opened += 1
      response.end('secret')
    }).listen(0, '127.0.0.1')
    t.teardown(() => web.close())
    await new Promise((resolve) => web.once('listening', resolve))
    const href = `http://127.0.0.1:${(web.address() as AddressInfo).port}/`
    const url = `${smtp.url}?disableFileAccess=false&disableUrlAccess=false`
    const mailer = createSmtpMailer({ url, from: 'no-reply@example.com', requireTls: false })
    t.teardown(() => mailer.close())

    const path = fileURLToPath(import.meta.url)
    for (const [content, code] of [
      [{ path }, 'efileaccess'],
      [{ href }, 'eurlaccess'],
    ] as const) {
      // What JSON could put there, were it ever taken for text.
      const text = content as unknown as string
      for (const part of [{ text }, { html: text }]) {
        await t.rejects(mailer.send({ ...MESSAGE, ...part }), { code })
      }
    }
    t.equal(opened, 0)
    await mailer.send(MESSAGE)
    t.equal(smtp.mails.length, 1, 'and what is text goes out')
  },
)

t.test('a letter goes to one recipient or to none, whatever stands in for its address', async (t) => {
  const smtp = await createSmtpServer(t)
  const mailer = createSmtpMailer({ url: smtp.url, from: 'no-reply@example.com', requireTls: false })
  t.teardown(() => mailer.close())
  for (const to of [
    'ada@example.com,eve@evil.example',
    'ada@example.com;eve@evil.example',
    'ada@example.com eve@evil.example',
    'ada@example.com\r\nBcc: eve@evil.example',
    'ada@example.com\r\nRCPT TO:<eve@evil.example>',
    'group: ada@example.com, eve@evil.example;',
    'ada <eve@evil.example>',
  ]) {
    const before = smtp.mails.length
    await mailer.send({ ...MESSAGE, to }).catch(() => undefined)
    const sent = smtp.mails.slice(before)
    t.ok(sent.length <= 1, JSON.stringify(to))
    t.notOk(
      sent.some(({ recipients }) => recipients.length > 1 || recipients.includes('eve@evil.example')),
      JSON.stringify(sent.map(({ recipients }) => recipients)),
    )
  }
  const before = smtp.mails.length
  await mailer.send(MESSAGE)
  t.strictSame(
    smtp.mails.slice(before).map(({ recipients }) => recipients),
    [['ada@example.com']],
  )
})
