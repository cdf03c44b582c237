/** One of SERVICE_CLIENTS, of tests alone. */
export const SERVICE = { id: 'reports', secret: 'Zk3-vQ8_nW5.tY2~pL7sD4gH9jC6xB1mR0aF' }

/** The setting that lets it in. */
export const WITH_SERVICE = { SERVICE_CLIENTS: `${SERVICE.id}:${SERVICE.secret}` }

/** HTTP Basic, as curl -u sends it. */
export function basic({ id, secret }: { id: string; secret: string } = SERVICE): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` }
}
