import type { JsonObject } from '../resource.js'
import type { Field } from './fields.js'
import { memberAt, textOf, valueOf, WrongText, type FieldTexts } from './field-text.js'

/** What a form says, and what of it could not be read. */
export interface ReadForm {
  readonly input: JsonObject
  /** By field. */
  readonly wrong: ReadonlyMap<string, WrongText['problem']>
}

/** The box that takes a stored secret away. */
export const clearName = (field: string): string => `clear:${field}`

/** What the controls of a form held when it was sent. */
export function sentTexts (fields: readonly Field[], form: ReadonlyMap<string, string>): FieldTexts {
  return new Map(fields.map(({ name }) => [name, (form.get(name) ?? '').replaceAll('\r\n', '\n')]))
}

/** What is given to create a record: what is empty, and what holds anyhow, is left out. */
export function readNew (fields: readonly Field[], texts: FieldTexts): ReadForm {
  return read(fields, (field) => {
    const text = texts.get(field.name) ?? ''
    return field.kind === 'flag' && text === textOf(field, field.standard) ? undefined : valueOf(field, text)
  })
}

/**
 * What is given to change a record: what is another than it was when the form was made. A secret that was left blank stays.
 * @param merged the groups of which what is left out stays; any other is given as a whole
 * @param clears the secrets that are to be taken away
 */
export function readChange (fields: readonly Field[], texts: FieldTexts, before: FieldTexts, { merged, clears }: { readonly merged: readonly string[], readonly clears: ReadonlySet<string> }): ReadForm {
  const isChanged = ({ name, kind }: Field): boolean => kind === 'secret' ? texts.get(name) !== '' || clears.has(name) : (texts.get(name) ?? '').trimEnd() !== (before.get(name) ?? '').trimEnd()
  const changedGroups = new Set(fields.filter(isChanged).map(groupOf))
  const { input, wrong } = read(fields, (field) => {
    const group = groupOf(field)
    const whole = group !== null && !merged.includes(group)
    if (!(isChanged(field) || (whole && changedGroups.has(group)))) return undefined
    const value = field.kind === 'secret' && clears.has(field.name) && texts.get(field.name) === '' ? undefined : valueOf(field, texts.get(field.name) ?? '')
    if (value !== undefined || whole) return value
    if (field.kind === 'lines' && !field.clearable) return []
    return field.clearable ? null : ''
  })
  const emptied = [...changedGroups].filter((group): group is string => group !== null && memberAt(input, group) === undefined && !wrongIn(wrong, group))
  return { input: { ...input, ...Object.fromEntries(emptied.map((group) => [group, null])) }, wrong }
}

/** What was said, and what is said of every such record, by its path. */
export function withFixed (input: JsonObject, fixed: Readonly<Record<string, string>>): JsonObject {
  const all: Record<string, unknown> = { ...input }
  for (const [path, value] of Object.entries(fixed)) place(all, path.split('.'), value)
  return all
}

function wrongIn (wrong: ReadForm['wrong'], group: string): boolean {
  return [...wrong.keys()].some((name) => name.startsWith(`${group}.`))
}

function groupOf ({ name }: Pick<Field, 'name'>): string | null {
  const at = name.lastIndexOf('.')
  return at === -1 ? null : name.slice(0, at)
}

function read (fields: readonly Field[], valueFor: (field: Field) => unknown): ReadForm {
  const input: Record<string, unknown> = {}
  const wrong = new Map<string, WrongText['problem']>()
  for (const field of fields) {
    try {
      const value = valueFor(field)
      if (value !== undefined) place(input, field.name.split('.'), value)
    } catch (error) {
      if (!(error instanceof WrongText)) throw error
      wrong.set(field.name, error.problem)
    }
  }
  return { input, wrong }
}

function place (object: Record<string, unknown>, [name = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    object[name] = value
    return
  }
  const inner: Record<string, unknown> = { ...Object(object[name]) }
  place(inner, rest, value)
  object[name] = inner
}
