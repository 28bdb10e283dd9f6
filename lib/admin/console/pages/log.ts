import { html, type Html } from '../../../http/page.js'
import type { AuditLog, Verification } from '../../../log/audit-log.js'
import type { LogEntry } from '../../../log/log-entry.js'
import { logRoles, logView } from '../../log-access.js'
import type { Resource } from '../../resource.js'
import type { ConsolePage, ConsoleRoute, Visit } from '../console-route.js'
import { hiddenFields } from '../form.js'
import { titleOf } from '../labels.js'
import { nextLink, textIn } from '../list-page.js'
import { notice } from '../notices.js'
import { operationOf, pageIn, perform } from '../operation-call.js'
import { Show, json } from '../show.js'

const filters = ['event', 'target', 'from', 'to'] as const

/** The pages of the audit log: read by each role its own part, checked by `system`. */
export function logRoutes (log: Resource, auditLog: Pick<AuditLog, 'find'>): ConsoleRoute[] {
  return [
    {
      method: 'GET',
      path: '/log',
      roles: logRoles,
      async run (visit) {
        const query = Object.fromEntries([...filters, 'after'].flatMap((name) => {
          const text = textIn(visit.query, name)
          return text === '' ? [] : [[name, name === 'from' || name === 'to' ? withZone(text) : text]]
        }))
        const { items, next } = pageIn(await perform(visit, operationOf(log, 'listLog'), { query }))
        return logPage(visit, items.filter(isEntry), next, await newestId(visit, auditLog))
      }
    },
    { method: 'GET', path: '/log/verify', roles: ['system'], run: async (visit) => verifyPage(visit, null) },
    {
      method: 'POST',
      path: '/log/verify',
      roles: ['system'],
      async run (visit) {
        const { body } = await perform(visit, operationOf(log, 'verifyLog'))
        return verifyPage(visit, isVerification(body) ? body : null)
      }
    }
  ]
}

/** Entries as the rows of a table. */
export function entryTable ({ texts, language, link }: Visit, entries: readonly LogEntry[]): Html {
  const show = new Show(language)
  const heads = [texts.logTime, texts.logEvent, texts.logTarget, texts.logActor, texts.logMessage]
  const cell = (index: number, content: Html): Html => html`<td role="cell" data-label="${heads[index] ?? ''}"><div>${content}</div></td>`
  const target = (entry: LogEntry): Html => entry.target === null
    ? html`–`
    : html`<a href="${link(`/log?${new URLSearchParams({ target: entry.target.id ?? entry.target.name ?? '' }).toString()}`)}"><bdi>${entry.target.name ?? entry.target.id ?? entry.target.type}</bdi></a>`
  return html`<table role="table"><thead role="rowgroup"><tr role="row">${heads.map((head) => html`<th role="columnheader" scope="col">${head}</th>`)}</tr></thead><tbody role="rowgroup" data-part="log" data-rows>${entries.map((entry) => html`<tr role="row" id="e${entry.id}">${cell(0, show.time(entry.at))}${cell(1, html`<code>${entry.event}</code>${entry.level === 'info' ? null : html` <span class="badge ${entry.level === 'error' ? 'bad' : 'warn'}">${texts.level[entry.level]}</span>`}`)}${cell(2, target(entry))}${cell(3, html`${entry.actor === null ? '–' : [entry.actor.type, entry.actor.id].filter((one) => one !== null).join(' ')}`)}${cell(4, html`${entry.message ?? ''}${Object.keys(entry.details).length === 0 ? null : html`<details><summary>${texts.details}</summary>${json(entry.details)}</details>`}`)}</tr>
`)}</tbody></table>`
}

function logPage (visit: Visit, entries: readonly LogEntry[], next: string | null, newest: string | null): ConsolePage {
  const { texts, language, link, query, person } = visit
  const given = filters.flatMap((name): Array<[string, string]> => textIn(query, name) === '' ? [] : [[name, textIn(query, name)]])
  const isLive = textIn(query, 'after') === '' && textIn(query, 'to') === ''
  const stream = new URLSearchParams([...given.filter(([name]) => name === 'event' || name === 'target'), ...newest === null ? [] : [['after', newest] as [string, string]]])
  const exported = new URLSearchParams(given.map(([name, text]): [string, string] => [name, name === 'from' || name === 'to' ? withZone(text) : text]))
  const field = (name: typeof filters[number], label: string, hint: string | null, control: Html): Html => html`<div class="field"><label for="q-${name}">${label}</label>${control}${hint === null ? null : html`<p class="hint" id="q-${name}-hint">${hint}</p>`}</div>`
  return {
    title: titleOf(language, 'log'),
    menu: 'log',
    body: html`<form method="get" action="${link('/log')}" class="filters" role="search">
${field('event', texts.logEvent, texts.logEventHint, html`<input type="search" id="q-event" name="event" list="areas" aria-describedby="q-event-hint" value="${textIn(query, 'event')}"><datalist id="areas">${(logView(person.roles, {}).areas ?? allAreas).map((area) => html`<option value="${area}.*"></option>`)}</datalist>`)}
${field('target', texts.logTarget, texts.logTargetHint, html`<input type="search" id="q-target" name="target" aria-describedby="q-target-hint" value="${textIn(query, 'target')}">`)}
${(['from', 'to'] as const).map((name) => field(name, name === 'from' ? texts.logFrom : texts.logTo, null, html`<input type="datetime-local" id="q-${name}" name="${name}" value="${textIn(query, name)}">`))}
<button class="plain">${texts.filter}</button></form>
<p class="actions"><a href="${link(`/api/log/export?${exported.toString()}`)}" download="log.ndjson">${texts.logExport}</a>${person.roles.includes('system') ? html`<a href="${link('/log/verify')}">${texts.verify}</a>` : null}<span data-live-note hidden>${isLive ? texts.logLive : ''}</span></p>
<div${isLive ? html` data-live="${link(`/api/log/stream?${stream.toString()}`)}"` : null}>${entries.length === 0 ? html`<p>${given.length === 0 ? texts.empty : texts.nothingFound}</p>` : null}${entryTable(visit, entries)}</div>
${nextLink(visit, 'log', filters, next)}`
  }
}

function verifyPage (visit: Visit, found: Verification | null): ConsolePage {
  const { texts, language, link, csrf } = visit
  const number = new Intl.NumberFormat(language)
  return {
    title: texts.verify,
    menu: 'log',
    body: html`${found === null
  ? null
  : html`${notice(found.ok ? 'good' : 'bad', found.ok ? texts.verifyOk : texts.verifyBad)}<section><p>${texts.verifyFigures(number.format(found.entries), number.format(found.chains))}</p>${found.firstBad === undefined ? null : html`<p>${texts.verifyFirst(found.firstBad.chain, String(found.firstBad.seq), found.firstBad.problem)}</p>`}${found.unanchoredFront ? html`<p>${texts.verifyFront}</p>` : null}</section>`}
<section><p>${texts.verifyHint}</p><form method="post" action="${link('/log/verify')}" data-aside>${hiddenFields({ csrf })}<button>${texts.verify}</button> <progress aria-label="${texts.verify}" hidden></progress></form></section>
<p><a href="${link('/log')}">${texts.back(titleOf(language, 'log'))}</a></p>`
  }
}

const allAreas = ['connection', 'connector', 'webhook', 'client', 'scope', 'consent', 'token', 'validator', 'jwt', 'session', 'settings', 'log', 'key']

/** The entry after which the stream goes on: of what this person may see. */
async function newestId ({ person }: Visit, auditLog: Pick<AuditLog, 'find'>): Promise<string | null> {
  const [newest] = await auditLog.find({ ...logView(person.roles, {}), limit: 1 })
  return newest?.id ?? null
}

/** What browsers send of a time has no zone: it is UTC here, as all times are that the pages show. */
function withZone (text: string): string {
  return /^\d{4}-\d\d-\d\dT[\d:.]+$/.test(text) ? `${text}Z` : text
}

function isEntry (item: object): item is LogEntry {
  return 'event' in item && 'details' in item
}

function isVerification (body: object | undefined): body is Verification {
  return body !== undefined && 'ok' in body && 'entries' in body
}
