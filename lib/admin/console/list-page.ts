import type { SchemaObject } from 'ajv'
import { html, type Html } from '../../http/page.js'
import { pageQuery, writeCursor } from '../pages.js'
import type { Operation, Page } from '../resource.js'
import type { ConsolePage, Visit } from './console-route.js'
import { memberAt } from './field-text.js'
import { labelOf, titleOf } from './labels.js'
import { noticeOf } from './notices.js'
import { Show } from './show.js'

export interface ListOptions {
  /** The kind of record, and the path of the list. */
  readonly resource: string
  readonly page: Page
  /** The fields shown, the first of which leads to the record. */
  readonly columns: readonly string[]
  readonly filters: { readonly [name: string]: SchemaObject }
  /** The address of one of them below the console; null where it has no page. */
  readonly pathOf: (item: object) => string | null
  /** How columns are shown that are more than a value. */
  readonly cells?: { readonly [column: string]: (item: object) => Html }
  /** What can be done to one of them, in a last column. */
  readonly actionsOf?: (item: object) => Html
  readonly canCreate: boolean
  readonly before?: Html
}

/** A page of a list, with what narrows it and what leads on. */
export function listPage (visit: Visit, { resource, page, columns, filters, pathOf, cells = {}, actionsOf, canCreate, before }: ListOptions): ConsolePage {
  const { texts, language, link } = visit
  const show = new Show(language)
  const label = (name: string): string => labelOf(language, name)
  const isNarrowed = Object.keys(filters).some((name) => textIn(visit.query, name) !== '')
  const cell = (item: object, name: string, isFirst: boolean): Html => {
    const value = memberAt(item, name)
    const path = isFirst ? pathOf(item) : null
    return html`<td role="cell" data-label="${label(name)}">${path === null ? cells[name]?.(item) ?? show.value(name, value) : html`<a href="${link(path)}"><bdi>${String(value)}</bdi></a>`}</td>`
  }
  return {
    title: titleOf(language, resource),
    menu: resource,
    body: html`${noticeOf(visit)}${canCreate ? html`<div class="actions"><a class="button" href="${link(`/${resource}/new`)}">${texts.add}</a></div>` : null}${before ?? null}
${filterForm(visit, resource, filters)}
${page.items.length === 0
  ? html`<p>${isNarrowed ? texts.nothingFound : texts.empty}</p>`
  : html`<table role="table"><thead role="rowgroup"><tr role="row">${columns.map((name) => html`<th role="columnheader" scope="col">${label(name)}</th>`)}${actionsOf === undefined ? null : html`<th role="columnheader" scope="col">${texts.actions}</th>`}</tr></thead>
<tbody role="rowgroup" data-part="list">${page.items.map((item) => html`<tr role="row">${columns.map((name, index) => cell(item, name, index === 0))}${actionsOf === undefined ? null : html`<td role="cell" data-label="${texts.actions}">${actionsOf(item)}</td>`}</tr>
`)}</tbody></table>`}
${nextLink(visit, resource, Object.keys(filters), page.next)}`
  }
}

/** Where a list goes on, with the same filters. */
export function nextLink ({ texts, link, query }: Visit, resource: string, filters: readonly string[], next: string | null): Html | null {
  const kept = filters.flatMap((name): Array<[string, string]> => textIn(query, name) === '' ? [] : [[name, textIn(query, name)]])
  const first = new URLSearchParams(kept).toString()
  return html`<p class="actions">${textIn(query, 'after') === '' ? null : html`<a href="${link(`/${resource}${first === '' ? '' : `?${first}`}`)}">${texts.first}</a>`}${next === null ? null : html`<a href="${link(`/${resource}?${new URLSearchParams([...kept, ['after', writeCursor(next)]]).toString()}`)}">${texts.more}</a>`}</p>`
}

/** A text of a query; empty without one, and for what is none. */
export function textIn (query: Visit['query'], name: string): string {
  const value = Object.hasOwn(query, name) ? query[name] : undefined
  return typeof value === 'string' ? value : ''
}

/** A query without what was left blank, and what it says beside the filters. */
export function givenIn (query: Visit['query']): object {
  return Object.fromEntries(Object.entries(query).filter(([name, value]) => value !== '' && name !== 'done'))
}

/** Of a list's query what narrows it. */
export function filtersIn (query: Operation['query'] = {}): ListOptions['filters'] {
  return Object.fromEntries(Object.entries(query).filter(([name]) => !Object.hasOwn(pageQuery, name)))
}

function filterForm ({ texts, language, link, query }: Visit, resource: string, filters: ListOptions['filters']): Html | null {
  const names = Object.entries(filters)
  if (names.length === 0) return null
  return html`<form method="get" action="${link(`/${resource}`)}" class="filters" role="search">${names.map(([name, schema]) => html`<div class="field"><label for="q-${name}">${labelOf(language, name)}</label>${filterControl(name, schema, textIn(query, name), texts.allOf, { true: texts.yes, false: texts.no })}</div>`)}<button class="plain">${texts.filter}</button></form>`
}

function filterControl (name: string, schema: SchemaObject, value: string, all: string, flags: { readonly true: string, readonly false: string }): Html {
  const values: unknown = schema['type'] === 'boolean' ? ['true', 'false'] : schema['enum']
  if (!Array.isArray(values)) return html`<input type="search" id="q-${name}" name="${name}" value="${value}">`
  const text = (one: string): string => schema['type'] === 'boolean' ? (one === 'true' ? flags.true : flags.false) : one
  return html`<select id="q-${name}" name="${name}"><option value="">${all}</option>${values.map((one) => String(one) === value ? html`<option value="${String(one)}" selected>${text(String(one))}</option>` : html`<option value="${String(one)}">${text(String(one))}</option>`)}</select>`
}
