import type { Clock } from '../../../clock.js'
import { html, type Html } from '../../../http/page.js'
import type { Connections } from '../../../docuware/connections.js'
import type { ConnectionView } from '../../../docuware/connection-schema.js'
import type { SyncAnswer, SyncRequest } from '../../../docuware/sync.js'
import { reasonOf, type Logger } from '../../../store/logger.js'
import type { ChangeNote } from '../../../store/managed-records.js'
import type { ConsoleReply, ConsoleRoute, Visit } from '../console-route.js'
import { hiddenFields } from '../form.js'
import { labelOf } from '../labels.js'
import { failureOf } from '../notices.js'
import { pathOf } from '../record-page.js'
import type { RecordSpecial } from '../record-routes.js'
import { Show } from '../show.js'

/** As much of `app.docuware` as the console needs. */
export interface ConnectionParts {
  readonly connections: Pick<Connections, 'get'>
  readonly redirectUri: string | null
  readonly sync: (id: string, request: SyncRequest) => Promise<SyncAnswer>
  readonly revoke: (id: string, note: ChangeNote) => Promise<void>
  readonly clock: Clock
  readonly logger: Pick<Logger, 'error'>
}

const roles = ['docuware']
/** Milliseconds that a page waits for a sync. One that takes longer goes on. */
const patience = 10_000

/** What the page of a connection has: where it stands, what to copy into DocuWare, and what can be done. */
export function connectionSpecial ({ connections, redirectUri }: ConnectionParts): RecordSpecial {
  return {
    columns: ['name', 'status', 'platformUrl', 'account.organization', 'lastSync.message'],
    async extras (visit, { id }) {
      const connection = id === null ? null : await connections.get(id)
      if (connection === null) return { sections: [], told: [] }
      const { protocol } = new URL(connection.platformUrl)
      return {
        formTargets: [protocol], // Authorize leads to the identity service, whose host is not known before it is discovered
        told: ['status', 'statusMessage', 'lastSync', 'syncingSince', 'account', 'clientId', 'scopes'],
        sections: [failureOf(visit), stateSection(visit, connection), copySection(visit, connection, redirectUri), logSection(visit, connection)]
      }
    }
  }
}

/** What can be done to a connection. */
export function connectionRoutes ({ sync, revoke, clock, logger }: ConnectionParts): ConsoleRoute[] {
  const route = (action: string, run: (visit: Visit) => Promise<ConsoleReply>): ConsoleRoute => ({ method: 'POST', path: `/connections/:id/${action}`, roles, run })
  const page = ({ link, key }: Visit, done: string): ConsoleReply => ({ location: link(`/connections/${encodeURIComponent(key)}?done=${done}`) })

  return [
    route('authorize', async (visit) => ({ location: await visit.authorizationUrl('connections', visit.key, `/connections/${encodeURIComponent(visit.key)}?done=authorized`) })),
    route('sync', async (visit) => {
      const asked = sync(visit.key, noteOf(visit))
      const answer = await soon(asked, clock)
      if (answer !== null) return page(visit, answer.queued ? 'syncing' : 'synced')
      asked.catch((error: unknown) => { logger.error({ connection: visit.key, reason: reasonOf(error) }, 'a sync that was begun in the console could not be ended') })
      return page(visit, 'syncing')
    }),
    route('revoke', async (visit) => {
      await revoke(visit.key, visit.note)
      return page(visit, 'revoked')
    })
  ]
}

/** What somebody may wait for; null when it takes longer. */
async function soon<Answer> (asked: Promise<Answer>, clock: Clock): Promise<Answer | null> {
  let cancel = (): void => {}
  const late = new Promise<null>((resolve) => { cancel = clock.after(patience, () => { resolve(null) }) })
  try {
    return await Promise.race([asked, late])
  } finally {
    cancel()
  }
}

function noteOf ({ note: { actor, requestId } }: Visit): SyncRequest {
  return { actor, requestId }
}

function stateSection (visit: Visit, connection: ConnectionView): Html {
  const { texts, language, link } = visit
  const { status, statusMessage, account, lastSync, syncingSince } = connection
  const show = new Show(language)
  const isAuthorized = status === 'authorized'
  const action = (name: string, button: Html): Html => html`<form method="post" action="${link(`${pathOf('connections', connection)}/${name}`)}">${hiddenFields({ csrf: visit.csrf })}${button}</form>`
  const seconds = new Intl.NumberFormat(language, { style: 'unit', unit: 'second', unitDisplay: 'long', maximumFractionDigits: 1 })
  return html`<section data-live="${link(`/api/log/stream?${new URLSearchParams({ target: connection.id }).toString()}`)}"><h2>${texts.state}</h2>
<div data-part="state">${show.definitions([
    ['status', html`${show.status(status)}${statusMessage === null ? null : html` ${statusMessage}`}`],
    ['account', account === null ? html`–` : html`<bdi>${[account.username, account.organization].filter((one) => one !== undefined).join(', ')}</bdi>`]
  ])}
${syncingSince === null ? null : html`<p>${texts.syncRunning(show.timeText(syncingSince))} <a href="${link(pathOf('connections', connection))}">${texts.lookAgain}</a></p>`}
<p>${lastSync === null
    ? texts.neverSynced
    : html`<span class="badge ${lastSync.ok ? 'good' : 'bad'}">${lastSync.ok ? '✓' : '✗'}</span> ${lastSync.ok ? texts.syncOk(lastSync.message) : texts.syncFailed(lastSync.message)} (${show.time(lastSync.at)}). ${texts.took(seconds.format(lastSync.durationMs / 1000))}`}</p></div>
<div class="actions">${action('authorize', html`<button class="${isAuthorized ? 'plain' : ''}">${texts.authorize}</button>`)}<form method="post" action="${link(`${pathOf('connections', connection)}/sync`)}" data-aside>${hiddenFields({ csrf: visit.csrf })}<button class="${isAuthorized ? '' : 'plain'}">${texts.sync}</button> <progress aria-label="${texts.done.syncing}" hidden></progress></form>${connection.hasAccessToken || connection.hasRefreshToken ? action('revoke', html`<button class="plain">${texts.revoke}</button>`) : null}</div>
<p class="hint">${texts.authorize}: ${texts.authorizeHint}<br>${texts.sync}: ${texts.syncHint}${connection.hasRefreshToken ? html`<br>${texts.revoke}: ${texts.revokeHint}` : null}</p></section>`
}

function copySection ({ texts, language }: Visit, { clientId, scopes }: ConnectionView, redirectUri: string | null): Html {
  const show = new Show(language)
  return html`<section><h2>${texts.copyIntoDocuware}</h2><p class="hint">${texts.copyIntoDocuwareHint}</p>
<dl><dt>${texts.redirectUri}</dt><dd>${redirectUri === null ? texts.noPublicUrl : show.copyable(texts.redirectUri, redirectUri)}</dd>
<dt>${texts.scopesText}</dt><dd>${show.copyable(texts.scopesText, scopes.join(' '))}</dd>
<dt>${labelOf(language, 'clientId')}</dt><dd>${show.copyable(labelOf(language, 'clientId'), clientId)}</dd></dl></section>`
}

function logSection ({ texts, link }: Visit, { id }: ConnectionView): Html {
  return html`<p><a href="${link(`/log?${new URLSearchParams({ target: id }).toString()}`)}">${texts.showLog}</a></p>`
}
