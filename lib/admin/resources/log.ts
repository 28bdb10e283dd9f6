import type { AuditLog, Verification } from '../../log/audit-log.js'
import type { ChangeNote } from '../../store/managed-records.js'
import { invalidRequest } from '../invalid-request.js'
import { logRoles, logView } from '../log-access.js'
import type { LogReaders } from '../log-readers.js'
import { pageOf, pageQuery, pageSchema, readPage } from '../pages.js'
import type { Resource } from '../resource.js'

const entryId = { type: 'string', pattern: '^[0-9a-f]{24}$' } as const
const isEntryId = new RegExp(entryId.pattern)
const text = { type: 'string' } as const
const textOrNull = { type: ['string', 'null'] } as const
const time = { type: 'string', pattern: '^\\d{4}-(0\\d|1[0-2])-([0-2]\\d|3[01])(T([01]\\d|2[0-3]):[0-5]\\d(:[0-5]\\d(\\.\\d{1,6})?)?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d))?$', description: 'ISO 8601: a day, or a time with its zone.' } as const
const which = {
  event: { type: 'string', maxLength: 100, description: '`connection.authorized`, or an area with a star: `connection.*`.' },
  target: { type: 'string', maxLength: 200, description: 'An id or a name.' }
} as const
const when = { from: time, to: time } as const
const actor = { type: 'object', properties: { type: text, id: textOrNull } } as const
const entry = {
  type: 'object',
  properties: {
    id: text,
    chain: text,
    seq: { type: 'integer' },
    at: { type: 'string', format: 'date-time' },
    event: text,
    level: { type: 'string', enum: ['info', 'warning', 'error'] },
    actor: { anyOf: [actor, { type: 'null' }] },
    target: { anyOf: [{ type: 'object', properties: { ...actor.properties, name: textOrNull } }, { type: 'null' }] },
    requestId: textOrNull,
    message: textOrNull,
    details: { type: 'object', additionalProperties: true },
    personal: { type: 'object', properties: { ip: text, userName: text } },
    source: text,
    key: text,
    prev: textOrNull,
    hash: text
  }
} as const
const verification = {
  type: 'object',
  required: ['ok', 'entries', 'chains', 'unanchoredFront'],
  properties: {
    ok: { type: 'boolean' },
    entries: { type: 'integer' },
    chains: { type: 'integer' },
    firstBad: { type: 'object', properties: { chain: text, seq: { type: 'integer' }, problem: text } },
    unanchoredFront: { type: 'boolean', description: 'The oldest entries were evicted before any surviving checkpoint covers them.' }
  }
} as const

export interface ManagedLog {
  readonly auditLog: AuditLog
  readonly readers: LogReaders
}

/** The audit log, to be read: by each role its own part. */
export function logResource ({ auditLog, readers }: ManagedLog): Resource {
  let verifying: Promise<Verification> | null = null

  /** One pass for all who ask while it goes on: it reads the whole log. Its entry says who asked first. */
  async function verify ({ actor, requestId, personal }: ChangeNote): Promise<Verification> {
    verifying ??= auditLog.verify({ actor, requestId, personal }).finally(() => { verifying = null })
    return await verifying
  }

  return {
    name: 'log',
    operations: [
      {
        id: 'listLog',
        method: 'GET',
        path: '/log',
        roles: logRoles,
        summary: 'Entries of the audit log, newest first, a page at a time',
        query: { ...pageQuery, ...which, ...when },
        answer: { status: 200, description: 'A page.', schema: pageSchema(entry) },
        async run ({ query, roles }) {
          const { limit, after } = readPage(query)
          if (after !== undefined && !isEntryId.test(after)) throw invalidRequest('after', 'must be "next" of the page before')
          const view = logView(roles, query)
          const { items, next } = await pageOf(limit, async (count) => await auditLog.find({ ...view, limit: count, ...(after === undefined ? {} : { after }) }), ({ id }) => id)
          return { body: { items }, next }
        }
      },
      {
        id: 'streamLog',
        method: 'GET',
        path: '/log/stream',
        roles: logRoles,
        summary: 'Entries of the audit log as they come: server-sent events, each with the entry as JSON. The header Last-Event-ID resumes',
        query: { ...which, after: { ...entryId, description: 'An entry that is known: what came after it comes first. `Last-Event-ID` goes before it.' } },
        answer: { status: 200, description: 'The stream. It ends after a quarter of an hour at most, to be begun again.', schema: text, type: 'text/event-stream' },
        async run ({ query, roles, lastEventId, mayStill }) {
          if (lastEventId !== undefined && !isEntryId.test(lastEventId)) throw invalidRequest('last-event-id', 'must be the id of an entry')
          const { after } = query
          return { stream: await readers.stream({ view: logView(roles, query), mayStill }, lastEventId ?? (typeof after === 'string' ? after : undefined)) }
        }
      },
      {
        id: 'exportLog',
        method: 'GET',
        path: '/log/export',
        roles: logRoles,
        summary: 'The audit log, newest first, an entry a line',
        query: { ...which, ...when },
        answer: { status: 200, description: 'Newline-delimited JSON.', schema: text, type: 'application/x-ndjson' },
        run: async ({ query, roles, mayStill }) => ({ stream: await readers.export({ view: logView(roles, query), mayStill }) })
      },
      {
        id: 'verifyLog',
        method: 'GET',
        path: '/log/verify',
        roles: ['system'],
        summary: 'Checks every entry of the audit log against its chain and the checkpoints, and records that it was done',
        answer: { status: 200, description: 'What was found.', schema: verification },
        run: async ({ note }) => ({ body: await verify(note) })
      }
    ]
  }
}
