import { errors, isAuthError } from '../../errors.js'
import { html, type Html } from '../../http/page.js'
import { entityTag, ifMatchOf } from '../entity-tag.js'
import { filtersOf, pageQuery, readPage } from '../pages.js'
import { readQuery } from '../query.js'
import type { Answer, Changed, RecordResource, Resource, View } from '../resource.js'
import type { ConsolePage, ConsoleReply, ConsoleRoute, Visit } from './console-route.js'
import type { Field } from './fields.js'
import { initialTexts, textsOf, type FieldTexts } from './field-text.js'
import { clearName, readChange, readNew, sentTexts, withFixed } from './form-input.js'
import type { FormState } from './form.js'
import { formPage, readBefore, writeBefore } from './form-page.js'
import { labelOf, titleOf } from './labels.js'
import { givenIn, listPage } from './list-page.js'
import { notice } from './notices.js'
import { operationAt, perform } from './operation-call.js'
import { formProblemOf } from './problems.js'
import { pathOf, recordPage, removePage, type RecordExtras } from './record-page.js'
import { changeFields, columnsOf, nameOf, newFields, offeredOf, shapeOf, type RecordShape } from './record-shape.js'

/** What the pages of a kind of record have beyond what its schemas say. */
export interface RecordSpecial {
  readonly columns?: readonly string[]
  /** For a person, of a record, or of a new one (null), whose form may depend on what was chosen before. */
  readonly shape?: (plain: RecordShape, visit: Pick<Visit, 'query' | 'form' | 'person'>, record: View | null) => RecordShape
  /** In place of the form for a new record, as long as something has to be chosen first. */
  readonly choose?: (visit: Visit) => ConsolePage | null
  readonly extras?: (visit: Visit, record: View) => Promise<RecordExtras>
  /** What is shown once of a new record; without it, its page follows. */
  readonly created?: (visit: Visit, changed: Changed) => ConsolePage
}

/** The pages of a kind of record: list, new, one, change and removal. */
export function recordRoutes (table: Pick<Resource, 'operations'>, resource: RecordResource, { columns = columnsOf(resource), shape = (plain) => plain, choose, extras, created }: RecordSpecial = {}): ConsoleRoute[] {
  const { name, role, records, filters } = resource
  const creation = operationAt(table, 'POST', `/${name}`)
  const update = operationAt(table, 'PATCH', `/${name}/:id`)
  const removal = operationAt(table, 'DELETE', `/${name}/:id`)
  const roles = [role]
  const plain = shapeOf(resource)

  async function existing (key: string): Promise<View> {
    const found = await records.get(key)
    if (found === null) throw new errors.DWA_STORE_NOT_FOUND(`The ${resource.noun} "${key}"`)
    return found
  }

  function newPage (visit: Visit, fields: readonly Field[], chosen: RecordShape, state: FormState, problem: string | null = null, status?: number): ConsolePage {
    const { texts, language } = visit
    return formPage(visit, { title: texts.newOf(titleOf(language, name)), resource: name, action: `/${name}/new`, back: `/${name}`, button: texts.create, fields: offeredOf(chosen, fields), state, hidden: chosen.fixed, problem, ...(status === undefined ? {} : { status }) })
  }

  async function create (visit: Visit): Promise<ConsoleReply> {
    const chosen = shape(plain, visit, null)
    const fields = newFields(chosen)
    const typed = sentTexts(fields, visit.form)
    const { input, wrong } = readNew(fields, typed)
    if (wrong.size > 0) return newPage(visit, fields, chosen, { texts: typed, errors: wrongTexts(visit, wrong) }, null, 400)
    try {
      const changed = changedIn(await perform(visit, creation, { body: withFixed(input, chosen.fixed) }), resource)
      return created?.(visit, changed) ?? { location: visit.link(`${pathOf(name, changed.view)}?done=created`) }
    } catch (error) {
      const problem = formProblemOf(error, fields, visit.texts)
      return newPage(visit, fields, chosen, { texts: typed, errors: problem.fields }, problem.whole, problem.status)
    }
  }

  function changePage (visit: Visit, record: View, fields: readonly Field[], state: Omit<FormState, 'stored'>, { before, problem = null, status, note }: { readonly before: FieldTexts, readonly problem?: string | null, readonly status?: number, readonly note?: Html }): ConsolePage {
    const { texts } = visit
    const chosen = shape(plain, visit, record)
    const { isStored, isSecret } = chosen
    const stored = new Set(fields.map((field) => field.name).filter((field) => isSecret(field) && isStored(record, field)))
    return formPage(visit, {
      title: texts.editOf(nameOf(record)),
      resource: name,
      action: `${pathOf(name, record)}/edit`,
      back: pathOf(name, record),
      button: texts.save,
      fields: offeredOf(chosen, fields),
      state: { ...state, stored },
      hidden: { etag: ifMatchOf(record), before: writeBefore(before) },
      problem,
      ...(note === undefined ? {} : { before: note }),
      ...(status === undefined ? {} : { status })
    })
  }

  async function change (visit: Visit): Promise<ConsoleReply> {
    const { key, form, texts } = visit
    const record = await records.get(key)
    if (record === null) return gonePage(visit)
    const chosen = shape(plain, visit, record)
    const fields = changeFields(chosen)
    const typed = sentTexts(fields, form)
    const before = readBefore(form.get('before') ?? '') ?? textsOf(offeredOf(chosen, fields), record)
    const clears = new Set(fields.filter(({ name: field }) => form.get(clearName(field)) === 'on').map((field) => field.name))
    const { input, wrong } = readChange(fields, typed, before, { merged: chosen.merged, clears })
    if (wrong.size > 0) return changePage(visit, record, fields, { texts: typed, errors: wrongTexts(visit, wrong) }, { before, status: 400 })
    const etag = form.get('etag')
    try {
      const changed = Object.keys(input).length === 0 && etag === entityTag(record) ? record : changedIn(await perform(visit, update, { body: input, etag }), resource).view
      return { location: visit.link(`${pathOf(name, changed)}?done=saved`) }
    } catch (error) {
      if (isLostRace(error)) return await lostRace(visit, offeredOf(chosen, fields), typed, before)
      const problem = formProblemOf(error, fields, texts)
      return changePage(visit, record, fields, { texts: typed, errors: problem.fields }, { before, problem: problem.whole, status: problem.status })
    }
  }

  /** What somebody else has changed is shown; what was typed stays, and stands against what is there now. */
  async function lostRace (visit: Visit, fields: readonly Field[], typed: FieldTexts, before: FieldTexts): Promise<ConsolePage> {
    const { texts, language } = visit
    const record = await records.get(visit.key)
    if (record === null) return gonePage(visit)
    const now = textsOf(fields, record)
    const others = fields.filter(({ name: field }) => (before.get(field) ?? '') !== (now.get(field) ?? ''))
    const isMine = (field: string): boolean => (typed.get(field) ?? '') !== (before.get(field) ?? '')
    const merged = new Map(fields.map(({ name: field }) => [field, (isMine(field) ? typed : now).get(field) ?? '']))
    const notes = new Map(others.filter(({ name: field }) => isMine(field)).map(({ name: field }) => [field, texts.conflictField(now.get(field) ?? '')]))
    const note = others.length === 0
      ? html``
      : html`<section><h2>${texts.changedByOthers}</h2><table role="table"><thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">${texts.settings}</th><th role="columnheader" scope="col">${texts.before}</th><th role="columnheader" scope="col">${texts.now}</th></tr></thead><tbody role="rowgroup">${others.map(({ name: field }) => html`<tr role="row"><td role="cell" data-label="${texts.settings}">${labelOf(language, field)}</td><td role="cell" data-label="${texts.before}">${before.get(field) ?? ''}</td><td role="cell" data-label="${texts.now}">${now.get(field) ?? ''}</td></tr>`)}</tbody></table></section>`
    return changePage(visit, record, fields, { texts: merged, notes }, { before: now, problem: texts.conflict, status: 412, note })
  }

  function gonePage ({ texts, language, link }: Visit): ConsolePage {
    return { title: texts.missingTitle, menu: name, status: 412, body: html`${notice('bad', texts.conflictGone)}<p><a href="${link(`/${name}`)}">${texts.back(titleOf(language, name))}</a></p>` }
  }

  async function remove (visit: Visit): Promise<ConsoleReply> {
    try {
      await perform(visit, removal, { etag: visit.form.get('etag') })
    } catch (error) {
      if (!isLostRace(error)) throw error
      const record = await records.get(visit.key)
      if (record === null) return gonePage(visit)
      const again = removePage(visit, resource, record) // with the version that is there now
      return { ...again, status: 412, body: html`${notice('bad', visit.texts.conflictRemoval)}${again.body}` }
    }
    return { location: visit.link(`/${name}?done=removed`) }
  }

  return [
    {
      method: 'GET',
      path: `/${name}`,
      roles,
      async run (visit) {
        const query = readQuery({ ...pageQuery, ...filters }, givenIn(visit.query))
        const { limit, after } = readPage(query)
        const page = await records.page(limit, after, filtersOf(query))
        return listPage(visit, { resource: name, page, columns, filters, canCreate: true, pathOf: (item) => isView(item) ? pathOf(name, item) : null })
      }
    },
    {
      method: 'GET',
      path: `/${name}/new`,
      roles,
      async run (visit) {
        const first = choose?.(visit) ?? null
        if (first !== null) return first
        const chosen = shape(plain, visit, null)
        const fields = newFields(chosen)
        return newPage(visit, fields, chosen, { texts: initialTexts(fields) })
      }
    },
    { method: 'POST', path: `/${name}/new`, roles, run: create },
    {
      method: 'GET',
      path: `/${name}/:id`,
      roles,
      async run (visit) {
        const record = await existing(visit.key)
        return recordPage(visit, resource, record, await extras?.(visit, record) ?? { sections: [], told: [] })
      }
    },
    {
      method: 'GET',
      path: `/${name}/:id/edit`,
      roles,
      async run (visit) {
        const record = await existing(visit.key)
        const chosen = shape(plain, visit, record)
        const fields = offeredOf(chosen, changeFields(chosen))
        const before = textsOf(fields, record)
        return changePage(visit, record, fields, { texts: before }, { before })
      }
    },
    { method: 'POST', path: `/${name}/:id/edit`, roles, run: change },
    { method: 'GET', path: `/${name}/:id/delete`, roles, run: async (visit) => removePage(visit, resource, await existing(visit.key)) },
    { method: 'POST', path: `/${name}/:id/delete`, roles, run: remove }
  ]
}

/** A record in an answer, and what the answer shows this once. */
function changedIn ({ body }: Answer, { once = {} }: RecordResource): Changed {
  if (body === undefined || !isView(body)) throw new TypeError('the answer has no record')
  const entries = Object.entries(body)
  return { view: { ...Object.fromEntries(entries.filter(([name]) => !Object.hasOwn(once, name))), id: body.id, version: body.version }, once: Object.fromEntries(entries.filter(([name]) => Object.hasOwn(once, name))) }
}

function wrongTexts ({ texts }: Visit, wrong: ReadonlyMap<string, 'notJson' | 'notNumber'>): ReadonlyMap<string, string> {
  return new Map([...wrong].map(([name, problem]) => [name, texts[problem]]))
}

/** Whether what a form was about is another by now, or gone. */
function isLostRace (error: unknown): boolean {
  return isAuthError(error, 'DWA_STORE_CONFLICT') || isAuthError(error, 'DWA_STORE_NOT_FOUND')
}

function isView (item: object): item is View {
  return 'id' in item && 'version' in item
}
