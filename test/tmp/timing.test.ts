import t from 'tap'
import { randomUUID } from 'node:crypto'
import { startApp } from '../helpers/app.ts'
import { post } from '../helpers/client.ts'

t.test('timing', async (t) => {
  const service = await startApp(t, { ...(process.env['SMTP'] ? { SMTP_URL: 'smtp://127.0.0.1:1' } : {}) })
  const { pool } = service.app.database
  const N = 600
  await pool.query(`INSERT INTO users (username, username_key, email, email_key, email_verified_at, activated_at, password_hash)
    SELECT 'user'||i,'user'||i,'user'||i||'@example.org','user'||i||'@example.org', now(), now(), '!' FROM generate_series(1,$1) i`, [N])
  for (const path of ['/request-reset', '/resend-verification']) {
    const known: number[] = [], unknown: number[] = []
    const order = Array.from({ length: N }, (_, i) => [i < N/2, i] as const).sort(() => Math.random() - 0.5)
    for (let i = 0; i < 50; i += 1) await post(service.url + path, { email: `${randomUUID()}@example.org` })
    for (const [isKnown, i] of order) {
      const email = isKnown ? `user${i + 1}@example.org` : `nobody${i}@example.org`
      const from = performance.now()
      await post(service.url + path, { email })
      ;(isKnown ? known : unknown).push(performance.now() - from)
    }
    const med = (a: number[]) => [...a].sort((x, y) => x - y)[a.length >> 1]
    let wins = 0
    for (const a of known) for (const b of unknown) wins += a > b ? 1 : a === b ? 0.5 : 0
    t.comment(path, 'median known', med(known), 'unknown', med(unknown), 'AUC', wins / known.length / unknown.length)
  }
})
