import type { RunnableConfig } from './app.ts'
import type { DemoUser } from './development.ts'
import { opensMailbox } from './plugins/mail.ts'

/** What a stranger needs to know of a service that has just started, line by line. */
export function announce(config: RunnableConfig, demo: DemoUser | undefined): string[] {
  const { publicUrl } = config
  const prefix = config.dialects.find(({ name }) => name === 'canonical')?.prefix.replace(/\/$/, '') ?? ''
  const facts = [
    ['Service', publicUrl + prefix],
    ['Docs', `${publicUrl}/docs`],
    ...(opensMailbox(config) ? [['Mailbox', `http://${config.host}:${config.port}/dev/mailbox`]] : []),
    [
      'Database',
      demo === undefined ? databaseName(config.databaseUrl) : `embedded PostgreSQL in ${config.dataDir}`,
    ],
  ]
  const lines = [
    '',
    'Keyturn is ready.',
    '',
    ...facts.map(([name, value]) => `  ${name?.padEnd(9)} ${value}`),
  ]
  if (demo === undefined) return [...lines, '']
  const { username, password } = demo
  const tokenUrl = `${publicUrl}${prefix}/token`
  return [
    ...lines,
    '',
    'Sign in as the demo user:',
    '',
    `  curl -s ${tokenUrl} -d username=${username} -d password=${password}`,
    '',
  ]
}

/** Host and name of the database, never its password. */
function databaseName(databaseUrl: string): string {
  const url = new URL(databaseUrl)
  return `PostgreSQL at ${url.searchParams.get('host') ?? url.host}${url.pathname}`
}
