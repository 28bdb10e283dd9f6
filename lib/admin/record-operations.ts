import { errors } from '../errors.js'
import type { ChangeNote, RecordUpdate } from '../store/managed-records.js'
import { isKnown, versionMeant } from './entity-tag.js'
import { filtersOf, pageQuery, pageSchema, readPage } from './pages.js'
import { readBody } from './read-body.js'
import type { Action, Answer, Call, Changed, Operation, RecordResource, Resource, View } from './resource.js'
import { withOnce } from './view-schema.js'

/** An entry of the table for a kind of record: list, create, read, change, remove, and what else its entry names. */
export function recordResource (entry: RecordResource): Resource {
  const { name, noun, role, records, input, patch, view, once, filters, actions = [] } = entry
  const one = { path: `/${name}/:id`, roles: [role] } as const
  const many = { path: `/${name}`, roles: [role] } as const
  const plural = camelCase(name)
  const singular = camelCase(noun)
  const secrets = records.secrets === undefined ? [] : [secretsOperation(entry, records.secrets.bind(records))]
  return {
    name,
    records: entry,
    operations: [
      {
        ...many,
        id: `list${plural}`,
        method: 'GET',
        summary: `The ${noun}s, a page at a time`,
        query: { ...pageQuery, ...filters },
        answer: { status: 200, description: 'A page.', schema: pageSchema(view) },
        async run ({ query }) {
          const { limit, after } = readPage(query)
          const page = await records.page(limit, after, filtersOf(query))
          return { body: { items: page.items }, next: page.next }
        }
      },
      {
        ...many,
        id: `create${singular}`,
        method: 'POST',
        summary: `A new ${noun}`,
        body: input,
        answer: { status: 201, description: 'It is there.', schema: withOnce(view, once) },
        async run ({ body, note, roles }) {
          await entry.admit?.(body, roles, null)
          const changed = await records.create(body, note)
          return { ...answerOf(changed), status: 201, created: changed.view.id ?? '' }
        }
      },
      {
        ...one,
        id: `get${singular}`,
        method: 'GET',
        summary: `One ${noun}, by id or name`,
        condition: 'none-match',
        answer: { status: 200, description: 'It, and its version as ETag.', schema: view },
        async run ({ key, ifNoneMatch }) {
          const found = await existing(entry, key)
          return isKnown(ifNoneMatch, found) ? { status: 304, version: found } : answerOf({ view: found })
        }
      },
      {
        ...one,
        id: `update${singular}`,
        method: 'PATCH',
        summary: `Changes of one ${noun} what is given`,
        body: patch,
        condition: 'match',
        answer: { status: 200, description: 'It, as it is now.', schema: view },
        async run (call) {
          const change = await changeOf(entry, call, true)
          await entry.admit?.(call.body, call.roles, call.key)
          return answerOf({ view: await records.update(call.key, call.body, change) })
        }
      },
      {
        ...one,
        id: `delete${singular}`,
        method: 'DELETE',
        summary: `Removes one ${noun}`,
        condition: 'match',
        answer: { status: 204, description: 'It is gone.' },
        async run (call) {
          await records.remove(call.key, await changeOf(entry, call, true))
          return { status: 204 }
        }
      },
      ...secrets,
      ...actions.map((action) => actionOperation(entry, action))
    ]
  }
}

function actionOperation (entry: RecordResource, action: Action): Operation {
  const { name, role, view } = entry
  return {
    path: `/${name}/:id/${action.name}`,
    roles: [role],
    id: `${camelCase(action.name, false)}Of${camelCase(entry.noun)}`,
    method: 'POST',
    summary: action.summary,
    body: action.body,
    condition: 'optional',
    answer: { status: 200, description: 'The record, as it is now.', schema: withOnce(view, action.once) },
    run: async (call) => answerOf(await action.run(call.key, readBody(action.body, call.body), await changeOf(entry, call, false)))
  }
}

function secretsOperation ({ name, noun, secrets: schema = { type: 'object' } }: RecordResource, read: (key: string, note: ChangeNote) => Promise<object>): Operation {
  return {
    path: `/${name}/:id/secrets`,
    roles: ['system'], // whatever the role of the rest
    id: `read${camelCase(noun)}Secrets`,
    method: 'GET',
    summary: `The secrets of one ${noun} in plain text; who reads them is in the audit log first`,
    answer: { status: 200, description: 'By name.', schema },
    run: async ({ key, note }) => ({ body: await read(key, note) })
  }
}

async function existing ({ noun, records }: RecordResource, key: string): Promise<View> {
  const found = await records.get(key)
  if (found === null) throw new errors.DWA_STORE_NOT_FOUND(`The ${noun} "${key}"`)
  return found
}

async function changeOf (entry: RecordResource, { key, ifMatch, note }: Call, required: boolean): Promise<RecordUpdate> {
  return { ...note, ...await versionMeant(ifMatch, { required, noun: entry.noun, current: async () => await existing(entry, key) }) }
}

function answerOf ({ view, once = {} }: Changed): Answer {
  return { body: { ...view, ...once }, version: view }
}

/** `webhook source` → `WebhookSource`. */
export function camelCase (words: string, upper = true): string {
  const joined = words.split(/[ -]/).map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join('')
  return upper ? joined : joined.slice(0, 1).toLowerCase() + joined.slice(1)
}
