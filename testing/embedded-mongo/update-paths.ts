import { getField, isDocument, setField, type Document } from './document.js'
import { ServerError } from './errors.js'
import { compile, type MatchContext } from './matcher.js'
import { isPosition } from './paths.js'
import { show } from './shown-value.js'

/** What the positional parts of an update path are resolved with. */
export interface PathContext extends MatchContext { filter: Document, arrayFilters: Document[] }

/** Where one value of a document is read and written. */
export interface Place {
  path: string
  get: () => unknown
  set: (value: unknown) => void
  unset: () => void
}

const MAX_PADDING = 1_500_000

/** The concrete paths that a path with `$`, `$[]` or `$[name]` stands for in a document. */
export function expand (document: Document, path: string, context: PathContext): string[][] {
  let paths: Array<{ parts: string[], value: unknown }> = [{ parts: [], value: document }]
  for (const part of path.split('.')) {
    paths = paths.flatMap(({ parts, value }) => {
      if (part === '$') {
        const index = positionalIndex(document, parts.join('.'), context)
        return [{ parts: [...parts, String(index)], value: Array.isArray(value) ? value[index] : undefined }]
      }
      if (part.startsWith('$[') && part.endsWith(']')) {
        if (!Array.isArray(value)) {
          throw new ServerError('BadValue', `Cannot apply array updates to non-array element ${parts.at(-1) ?? ''}: ${show(value)}`)
        }
        const name = part.slice(2, -1)
        const accept = name === '' ? () => true : arrayFilter(name, context)
        return value.flatMap((item: unknown, i) => accept(item) ? [{ parts: [...parts, String(i)], value: item }] : [])
      }
      const next = Array.isArray(value) ? value[isPosition(part) ? Number(part) : -1] : isDocument(value) ? getField(value, part) : undefined
      return [{ parts: [...parts, part], value: next }]
    })
  }
  return paths.map(({ parts }) => parts)
}

/** The identifier an array filter is about. Throws where it names none, or several. */
export function filterName (filter: Document): string {
  const names = new Set<string>()
  const visit = (part: Document): void => {
    for (const [name, operand] of Object.entries(part)) {
      if (name.startsWith('$') && Array.isArray(operand)) operand.filter(isDocument).forEach(visit)
      else names.add(name.split('.')[0] ?? '')
    }
  }
  visit(filter)
  const [name] = names
  if (name === undefined) throw new ServerError('FailedToParse', 'Cannot use an expression without a top-level field name in arrayFilters')
  if (names.size > 1) throw new ServerError('FailedToParse', `Error parsing array filter :: caused by :: Expected a single top-level field name, found '${[...names].join("' and '")}'`)
  return name
}

function arrayFilter (name: string, context: PathContext): (item: unknown) => boolean {
  const filter = context.arrayFilters.find((candidate) => filterName(candidate) === name)
  if (filter === undefined) throw new ServerError('BadValue', `No array filter found for identifier '${name}' in path`)
  const matches = compile(filter, context)
  return (item) => matches({ [name]: item })
}

/** The first element of an array that the query's conditions on that array accept. */
function positionalIndex (document: Document, path: string, context: PathContext): number {
  const conditions: Document[] = []
  const visit = (filter: Document): void => {
    for (const [name, condition] of Object.entries(filter)) {
      if (name === '$and' && Array.isArray(condition)) condition.filter(isDocument).forEach(visit)
      else if (name === '$or' && Array.isArray(condition)) {
        const branches = condition.filter(isDocument).filter((branch) => Object.keys(branch).some((key) => key === path || key.startsWith(path + '.')))
        if (branches.length > 0) conditions.push({ $or: branches })
      } else if (name === path || name.startsWith(path + '.')) conditions.push({ [name]: condition })
    }
  }
  visit(context.filter)
  const array = path.split('.').reduce<unknown>((value, part) => Array.isArray(value) ? value[Number(part)] : isDocument(value) ? getField(value, part) : undefined, document)
  const matchers = conditions.map((condition) => compile(condition, context))
  const index = !Array.isArray(array) || conditions.length === 0
    ? -1
    : array.findIndex((item: unknown) => matchers.every((matches) => matches(nested(path.split('.'), [item]))))
  if (index === -1) throw new ServerError('BadValue', 'The positional operator did not find the match needed from the query.')
  return index
}

function nested (parts: string[], value: unknown): Document {
  const [first = '', ...rest] = parts
  return { [first]: rest.length === 0 ? value : nested(rest, value) }
}

/** Finds a place in a document that may be changed. Missing documents on the way are made when something is set. */
export function placeAt (document: Document, parts: string[]): Place {
  const path = parts.join('.')
  const walk = (create: boolean): { parent: Document | unknown[], name: string } | undefined => {
    let parent: Document | unknown[] = document
    for (const [i, part] of parts.entries()) {
      if (Array.isArray(parent) && !isPosition(part)) {
        if (!create) return undefined
        throw notViable(part, parts[i - 1] ?? '', parent)
      }
      if (i === parts.length - 1) return { parent, name: part }
      const value: unknown = Array.isArray(parent) ? parent[Number(part)] : getField(parent, part)
      if (isDocument(value) || Array.isArray(value)) {
        parent = value
      } else if (!create) {
        return undefined
      } else if (value === undefined) {
        const made: Document = {}
        assign(parent, part, made)
        parent = made
      } else {
        throw notViable(parts[i + 1] ?? '', part, value)
      }
    }
    return undefined
  }
  return {
    path,
    get: () => {
      const found = walk(false)
      if (found === undefined) return undefined
      return Array.isArray(found.parent) ? found.parent[Number(found.name)] : getField(found.parent, found.name)
    },
    set: (value) => {
      const found = walk(true)
      if (found !== undefined) assign(found.parent, found.name, value)
    },
    unset: () => {
      const found = walk(false)
      if (found === undefined) return
      if (!Array.isArray(found.parent)) Reflect.deleteProperty(found.parent, found.name)
      else if (Number(found.name) < found.parent.length) found.parent[Number(found.name)] = null
    }
  }
}

function assign (parent: Document | unknown[], name: string, value: unknown): void {
  if (!Array.isArray(parent)) {
    setField(parent, name, value)
    return
  }
  const index = Number(name)
  if (index - parent.length > MAX_PADDING) throw new ServerError('CannotCreateIndex', `cannot pad an array to ${index}`)
  while (parent.length < index) parent.push(null)
  parent[index] = value
}

function notViable (name: string, parent: string, value: unknown): ServerError {
  return new ServerError('PathNotViable', `Cannot create field '${name}' in element {${parent}: ${show(value)}}`)
}
