import { html, type Html } from '../../../http/page.js'
import type { Connections } from '../../../docuware/connections.js'
import type { AuditLog } from '../../../log/audit-log.js'
import { logRoles, logView } from '../../log-access.js'
import type { ConsoleRoute, Visit } from '../console-route.js'
import { titleOf } from '../labels.js'
import { pathOf } from '../record-page.js'
import { Show } from '../show.js'
import { entryTable } from './log.js'

export interface OverviewParts {
  readonly connections: Pick<Connections, 'page'> | null
  readonly auditLog: Pick<AuditLog, 'find'>
  /** What the menu has for a person. */
  readonly menuOf: (roles: readonly string[]) => readonly string[]
}

const shownConnections = 12
const shownEntries = 10

/** Where the console begins: connections at a glance, what there is, and what has just happened. */
export function overviewRoute ({ connections, auditLog, menuOf }: OverviewParts): ConsoleRoute {
  return {
    method: 'GET',
    path: '/',
    roles: logRoles,
    async run (visit) {
      const { texts, language, link, person } = visit
      const entries = await auditLog.find({ ...logView(person.roles, {}), limit: shownEntries })
      return {
        title: texts.overview,
        body: html`${connections !== null && person.roles.includes('docuware') ? await connectionCards(visit, connections) : null}
<ul class="cards">${menuOf(person.roles).map((name) => html`<li><a href="${link(`/${name}`)}">${titleOf(language, name)}</a></li>`)}</ul>
<section data-live="${link('/api/log/stream')}"><h2>${texts.recent}</h2>${entryTable(visit, entries)}<p><a href="${link('/log')}">${texts.showLog}</a></p></section>`
      }
    }
  }
}

async function connectionCards ({ language, link }: Visit, connections: Pick<Connections, 'page'>): Promise<Html> {
  const show = new Show(language)
  const found = await connections.page(shownConnections)
  return found.length === 0 ? html`` : html`<ul class="cards" data-part="connections">${found.map((connection) => html`<li><a href="${link(pathOf('connections', connection))}"><bdi>${connection.name}</bdi></a><br>${show.status(connection.status)}</li>`)}</ul>`
}
