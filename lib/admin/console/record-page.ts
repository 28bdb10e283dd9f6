import { html, type Html } from '../../http/page.js'
import { ifMatchOf } from '../entity-tag.js'
import type { RecordResource, View } from '../resource.js'
import type { ConsolePage, Visit } from './console-route.js'
import { propertiesOf } from './fields.js'
import { hiddenFields } from './form.js'
import { labelOf } from './labels.js'
import { noticeOf } from './notices.js'
import { keyOf, nameOf } from './record-shape.js'
import { Show } from './show.js'

/** What a page of one record has beside its fields. */
export interface RecordExtras {
  /** Before the fields. */
  readonly sections: readonly Html[]
  /** The fields that are told there. */
  readonly told: readonly string[]
  readonly formTargets?: readonly string[]
}

/** What is never a field of interest. */
const own = ['id', 'version', 'name']
/** What comes last. */
const times = ['createdAt', 'updatedAt']

/** The page of one record: what can be done to it, and what it says. */
export function recordPage (visit: Visit, { name: resource, view: schema }: RecordResource, record: View, { sections, told, formTargets }: RecordExtras): ConsolePage {
  const { texts, language, link } = visit
  const show = new Show(language)
  const path = pathOf(resource, record)
  const shown = Object.keys(record).filter((name) => !own.includes(name) && !told.includes(name))
  const known = Object.keys(propertiesOf(schema))
  const place = (name: string): number => times.includes(name) ? Infinity : known.includes(name) ? known.indexOf(name) : known.length
  const inOrder = [...shown].sort((one, other) => place(one) < place(other) ? -1 : 1)
  return {
    title: nameOf(record),
    menu: resource,
    ...(formTargets === undefined ? {} : { formTargets }),
    body: html`${noticeOf(visit)}<div class="actions">${record.id === null
  ? html`<p>${texts.declared}</p>`
  : html`<a class="button" href="${link(`${path}/edit`)}">${texts.edit}</a><a class="button plain" href="${link(`${path}/delete`)}">${texts.remove}</a>`}</div>
${sections}
<section><h2>${texts.settings}</h2>${show.definitions(inOrder.map((name) => [name, show.value(name, Reflect.get(record, name))]))}</section>
<p><a href="${link(`/${resource}`)}">${texts.back(labelOf(language, resource))}</a></p>`
  }
}

/** Asks whether a record is to go. */
export function removePage (visit: Visit, { name: resource }: RecordResource, record: View): ConsolePage {
  const { texts, link, csrf } = visit
  const path = pathOf(resource, record)
  return {
    title: texts.removeOf(nameOf(record)),
    menu: resource,
    body: html`<p>${texts.removeWarning}</p>
<form method="post" action="${link(`${path}/delete`)}" class="actions">${hiddenFields({ csrf, etag: ifMatchOf(record) })}<button class="danger">${texts.remove}</button><a class="button plain" href="${link(path)}">${texts.cancel}</a></form>`
  }
}

/** The path of a record below the console's. */
export function pathOf (resource: string, record: View): string {
  return `/${resource}/${encodeURIComponent(keyOf(record))}`
}
