import type { Refreshed } from '../core/refresh.ts'
import { limitHeaders } from '../plugins/guards.ts'

/** What came of a refresh, for support, and how many more the session has. */
export function refreshHeaders({ outcome, limit }: Refreshed): Record<string, string> {
  return { 'keyturn-refresh': outcome, ...(limit && limitHeaders(limit)) }
}
