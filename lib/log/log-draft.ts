import { jsonBytes, type Json } from './canonical-json.js'
import type { Actor, LogFields, LogLevel, Target } from './log-entry.js'
import type { Mutable } from '../mutable.js'
import { redact, redactIdentifier, redactText } from './redact.js'
import { rememberFirst } from './remember-first.js'

/** What an entry says, ready to be stored: plain JSON, redacted and bounded. Its place in a chain comes later. */
export interface LogDraft {
  readonly at: Date
  readonly event: string
  readonly level: LogLevel
  readonly actor: { readonly type: string, readonly id: string | null } | null
  readonly target: { readonly type: string, readonly id: string | null, readonly name: string | null } | null
  readonly requestId: string | null
  readonly message: string | null
  readonly details: { readonly [name: string]: Json }
  readonly personal?: { readonly ip?: string, readonly userName?: string }
  /** The outbox entry it was delivered from. */
  readonly source?: string
}

const messageLength = 500
const nameLength = 256
const detailsBytes = 4096
const eventName = /^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)+$/

/**
 * Takes what an event says as it is now: later changes to `fields` do not reach the entry.
 * @throws TypeError when `event` is not of the form `area.verb`
 */
export function draftEntry (at: number, event: string, fields: LogFields, personalData: boolean): LogDraft {
  if (!eventName.test(event)) throw new TypeError(`"${event}" is not an event name of the form area.verb`)
  const personal = personalData ? personalFields(fields) : null
  const draft: Mutable<LogDraft> = {
    at: new Date(at),
    event,
    level: fields.level ?? 'info',
    actor: fields.actor === undefined ? null : actorFields(fields.actor),
    target: fields.target === undefined ? null : targetFields(fields.target),
    requestId: identifier(fields.requestId),
    message: fields.message === undefined ? null : cut(redactText(cut(wellFormed(fields.message), 4 * messageLength)), messageLength),
    details: boundDetails(fields.details)
  }
  if (personal !== null) draft.personal = personal
  return draft
}

/** What the log says about itself and the keys, nobody else can say. @throws TypeError */
export function refuseReserved (event: string): void {
  if (/^(?:log|key)\./.test(event)) throw new TypeError(`"${event}": events of the areas log and key are the package's own`)
}

/** An entry of the log about itself: `details` is neither redacted nor cut. */
export function ownDraft (at: number, event: string, details: { readonly [name: string]: Json }, level: LogLevel = 'info'): LogDraft {
  return { at: new Date(at), event, level, actor: { type: 'app', id: null }, target: null, requestId: null, message: null, details }
}

function actorFields (actor: Actor): LogDraft['actor'] {
  return { type: cut(wellFormed(actor.type), nameLength), id: identifier(actor.id) }
}

function targetFields (target: Target): LogDraft['target'] {
  return { type: cut(wellFormed(target.type), nameLength), id: identifier(target.id), name: identifier(target.name) }
}

function personalFields (fields: LogFields): { ip?: string, userName?: string } | null {
  const ip = identifier(fields.personal?.ip)
  const userName = identifier(fields.personal?.userName)
  if (ip === null && userName === null) return null
  return { ...(ip === null ? {} : { ip }), ...(userName === null ? {} : { userName }) }
}

function identifier (value: string | null | undefined): string | null {
  return value === undefined || value === null ? null : redactIdentifier(cut(wellFormed(value), nameLength))
}

/** Members in their order until the bound is reached; `truncated` then says so. */
function boundDetails (details: Readonly<Record<string, unknown>> | undefined): LogDraft['details'] {
  if (details === undefined) return {}
  const bounded: Record<string, Json> = {}
  let room = detailsBytes - '{"truncated":true}'.length
  for (const [name, value] of Object.entries(details)) {
    const json = toJson(value, 0)
    if (json === undefined) continue
    const key = memberName(name)
    const member = redact(json, key)
    room -= jsonBytes(key) + jsonBytes(member) + 2
    if (room < 0) return { ...bounded, truncated: true }
    bounded[key] = member
  }
  return bounded
}

/** As JSON.stringify sees it, but bounded in depth and width, and never throwing. */
function toJson (value: unknown, depth: number): Json | undefined {
  switch (typeof value) {
    case 'string': return cut(wellFormed(value), 1000)
    case 'boolean': return value
    case 'number': return Number.isFinite(value) ? value + 0 : String(value)
    case 'bigint': return String(value)
    case 'object': break
    default: return undefined
  }
  if (value === null) return null
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (value instanceof Error) return cut(wellFormed(`${value.name}: ${value.message}`), 1000)
  if (ArrayBuffer.isView(value)) return '[binary]'
  if (depth === 4) return '[nested]'
  if (Array.isArray(value)) return value.slice(0, 100).map((item) => toJson(item, depth + 1) ?? null)
  const members: Record<string, Json> = {}
  for (const [name, member] of Object.entries(value).slice(0, 100)) {
    const json = toJson(member, depth + 1)
    if (json !== undefined) members[memberName(name)] = json
  }
  return members
}

/** A name that MongoDB stores and gives back as it was. */
const memberName = rememberFirst((name) => {
  const safe = cut(wellFormed(name), 100).replaceAll('\0', '').replaceAll('.', '_').replace(/^\$/, '_')
  return safe === '__proto__' ? '_proto_' : safe
})

/** BSON is UTF-8, which has no lone surrogates: they become U+FFFD here, before the hash is taken, and not on the way. */
function wellFormed (text: string): string {
  return text.toWellFormed()
}

/** The first `length` UTF-16 units, never half a character. */
function cut (text: string, length: number): string {
  if (text.length <= length) return text
  const last = text.charCodeAt(length - 1)
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? length - 1 : length)
}
