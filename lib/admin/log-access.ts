import type { LogQuery } from '../log/audit-log.js'
import type { LogEntry } from '../log/log-entry.js'
import type { Query } from './resource.js'

/** Who may read of what in the log; `system` may read everything. */
const areasOf = new Map([
  ['docuware', ['connection', 'sync', 'webhook']],
  ['oauth_provider', ['client', 'scope', 'consent', 'token']]
])

/** The roles that may read some of the log. */
export const logRoles = ['docuware', 'oauth_provider', 'system'] as const

/** What a caller asks the log for, as far as their roles let them see it. */
export type LogView = Pick<LogQuery, 'event' | 'target' | 'from' | 'to' | 'areas'>

/** @param query of which `event`, `target`, `from` and `to` have been checked by their schemas */
export function logView (roles: readonly string[], { event, target, from, to }: Query): LogView {
  return {
    ...(roles.includes('system') ? {} : { areas: roles.flatMap((role) => areasOf.get(role) ?? []) }),
    ...(typeof event === 'string' ? { event } : {}),
    ...(typeof target === 'string' ? { target } : {}),
    ...(typeof from === 'string' ? { from: new Date(from) } : {}),
    ...(typeof to === 'string' ? { to: new Date(to) } : {})
  }
}

/** Whether an entry is to be seen: what the filter of `find` says, of one that is there already. Times are not looked at. */
export function sees ({ event, areas, target }: LogView, entry: LogEntry): boolean {
  const isOf = (area: string): boolean => entry.event.startsWith(`${area}.`)
  if (areas !== undefined && !areas.some(isOf)) return false
  if (event !== undefined && !(event.endsWith('.*') ? isOf(event.slice(0, -2)) : entry.event === event)) return false
  return target === undefined || entry.target?.id === target || entry.target?.name === target
}
