import type { Readable } from 'node:stream'
import type { SchemaObject } from 'ajv'
import type { ChangeNote, RecordUpdate } from '../store/managed-records.js'
import type { RecordVersion } from './entity-tag.js'

/** What callers may be allowed to do. Roles do not include one another. */
export type Role = 'docuware' | 'oauth_provider' | 'system'

/** A JSON object as somebody sent it. */
export type JsonObject = { readonly [name: string]: unknown }

/** Filters and other figures of a query, read by its schema. */
export type Query = { readonly [name: string]: string | number | boolean }

/** A record as it is shown, whatever else is shown of it. `version` counts the changes: what a change is compared with. */
export type View = RecordVersion

/** A part of a list, and after which position the next one begins; null: there is no more. */
export interface Page<Item = object> {
  readonly items: readonly Item[]
  readonly next: string | null
}

/** A record after a change, and what is shown of it this once. */
export interface Changed {
  readonly view: View
  readonly once?: JsonObject
}

/**
 * Records of one kind, as people and programs manage them. `key` is an id or a name. What is given is anybody's: each method checks it against the kind's own
 * schema, and raises the kind's own errors.
 */
export interface Records {
  page (limit: number, after: string | undefined, matching: Query): Promise<Page<View>>
  get (key: string): Promise<View | null>
  create (input: JsonObject, note: ChangeNote): Promise<Changed>
  update (key: string, patch: JsonObject, change: RecordUpdate): Promise<View>
  remove (key: string, change: RecordUpdate): Promise<void>
  /** In plain text, for the role `system`; the audit entry is there before they are. Absent: there are none that could be read. */
  secrets? (key: string, note: ChangeNote): Promise<object>
}

/** Something else that can be done to one record. */
export interface Action {
  /** The last segment of its path: `rotate-secret`. */
  readonly name: string
  readonly summary: string
  readonly body: SchemaObject
  /** Of what is shown this once, beside the record. */
  readonly once?: { readonly [name: string]: SchemaObject }
  run (key: string, input: JsonObject, change: RecordUpdate): Promise<Changed>
}

/** A kind of record in the table. */
export interface RecordResource {
  /** The segment of its path, plural: `webhook-sources`. */
  readonly name: string
  /** One of them, for people: `webhook source`. */
  readonly noun: string
  readonly role: Role
  readonly records: Records
  /** What is given to create one, and to change one. */
  readonly input: SchemaObject
  readonly patch: SchemaObject
  readonly view: SchemaObject
  /** Of what `create` shows this once, beside the record. */
  readonly once?: { readonly [name: string]: SchemaObject }
  /** Of what `records.secrets` answers. */
  readonly secrets?: SchemaObject
  /** What a list can be narrowed by. */
  readonly filters: { readonly [name: string]: SchemaObject }
  readonly actions?: readonly Action[]
  /** Refuses what somebody with the entry's role may not do without another one. @param key null: a new record. @throws DWA_ACCESS_FORBIDDEN */
  admit? (input: JsonObject, roles: readonly string[], key: string | null): Promise<void>
}

/** One request to an operation, without the transport. */
export interface Call {
  /** `:id` of the path; empty where there is none. */
  readonly key: string
  readonly query: Query
  readonly body: JsonObject
  /** The headers of conditional requests (RFC 9110 §13.1), as they came. */
  readonly ifMatch: string | undefined
  readonly ifNoneMatch: string | undefined
  /** Where a stream is to go on: the id of an entry. */
  readonly lastEventId: string | undefined
  /** What the caller may do. */
  readonly roles: readonly string[]
  /** Asks again whether it is the same caller, who holds all of the operation's roles that they held. Rejects when that cannot be found out. */
  readonly mayStill: () => Promise<boolean>
  readonly note: ChangeNote
}

/** What an operation answers. */
export interface Answer {
  /** Default 200. */
  readonly status?: number
  readonly body?: object
  /** Sent in place of a body, as long as there is something to send. */
  readonly stream?: Readable
  /** Of the record in the answer: its ETag. */
  readonly version?: RecordVersion
  /** The key of a new record: its Location. */
  readonly created?: string
  /** The position at which the next page begins. */
  readonly next?: string | null
}

/** Something a caller can ask for: a route, and its part of the OpenAPI document. */
export interface Operation {
  /** The `operationId`. */
  readonly id: string
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Below the API's prefix: `/connections/:id`. */
  readonly path: string
  /** One of them is needed. */
  readonly roles: readonly Role[]
  readonly summary: string
  /** What the query may hold. */
  readonly query?: { readonly [name: string]: SchemaObject }
  readonly body?: SchemaObject
  /** What conditional requests mean here: `match` needs If-Match, `optional` heeds it, `none-match` answers 304. */
  readonly condition?: 'match' | 'optional' | 'none-match'
  readonly answer: {
    readonly status: number
    readonly description: string
    /** Absent: there is no body. */
    readonly schema?: SchemaObject
    /** Default `application/json`. */
    readonly type?: string
  }
  run (call: Call): Promise<Answer>
}

/** An entry of the table: what is managed under one path. */
export interface Resource {
  readonly name: string
  readonly operations: readonly Operation[]
  /** Present where it is a kind of record: what a console makes lists and forms from. */
  readonly records?: RecordResource
}
