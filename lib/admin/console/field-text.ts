import type { Field } from './fields.js'

/** What a control holds: texts by field, `on` or nothing for a box to be ticked. */
export type FieldTexts = ReadonlyMap<string, string>

/** A value as its control shows it. */
export function textOf ({ kind }: Pick<Field, 'kind'>, value: unknown): string {
  if (value === undefined || value === null) return ''
  switch (kind) {
    case 'secret': return ''
    case 'flag': return value === true ? 'on' : ''
    case 'lines': return Array.isArray(value) ? value.map(String).join('\n') : String(value)
    case 'json': return JSON.stringify(value, null, 2)
    default: return typeof value === 'object' ? JSON.stringify(value, null, 2) : String(value)
  }
}

/** What somebody sees of a record, as its controls show it; never a secret. */
export function textsOf (fields: readonly Field[], record: unknown): FieldTexts {
  return new Map(fields.map((field) => [field.name, textOf(field, memberAt(record, field.name))]))
}

/** What the controls of a new record show. */
export function initialTexts (fields: readonly Field[]): FieldTexts {
  return new Map(fields.map((field) => [field.name, field.kind === 'flag' ? textOf(field, field.standard) : '']))
}

/** A member of an object, by its path; undefined where there is none. */
export function memberAt (value: unknown, path: string): unknown {
  return path.split('.').reduce((inner: unknown, name) => typeof inner === 'object' && inner !== null && Object.hasOwn(inner, name) ? Reflect.get(inner, name) : undefined, value)
}

/** A control's text as its value; undefined for one that is empty. @throws WrongText when it means none */
export function valueOf ({ kind }: Pick<Field, 'kind'>, text: string): unknown {
  switch (kind) {
    case 'flag': return text === 'on'
    case 'either': return text === '' ? undefined : text === 'true'
    case 'lines': return text.trim() === '' ? undefined : text.split('\n').map((line) => line.trim()).filter((line) => line !== '')
    case 'number': return text.trim() === '' ? undefined : readNumber(text.trim())
    case 'json': return text.trim() === '' ? undefined : readJson(text)
    case 'secret': return text === '' ? undefined : withPemLines(text)
    default: return text === '' ? undefined : text
  }
}

/** A password field has one line: a PEM (RFC 7468 §2) that was pasted into it gets its lines back. */
function withPemLines (text: string): string {
  const [, label, base64] = /^-----BEGIN ([A-Z0-9 ]+)-----([\w+/=\s]+)-----END \1-----$/.exec(text.trim()) ?? []
  if (label === undefined || base64 === undefined) return text
  return [`-----BEGIN ${label}-----`, ...base64.replace(/\s/g, '').match(/.{1,64}/g) ?? [], `-----END ${label}-----`, ''].join('\n')
}

/** A text that means no value of its field. */
export class WrongText extends Error {
  constructor (readonly problem: 'notJson' | 'notNumber') {
    super(problem)
  }
}

function readNumber (text: string): number {
  if (!/^-?\d+(\.\d+)?$/.test(text)) throw new WrongText('notNumber')
  return Number(text)
}

function readJson (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new WrongText('notJson')
  }
}
