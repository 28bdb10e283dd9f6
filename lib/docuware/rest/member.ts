import { errors } from '../../errors.js'
import type { DocuWareObject } from './docuware-client.js'

export function isObject (value: unknown): value is DocuWareObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A member of a JSON object by its name, in whatever letter case it was sent; undefined when there is none. */
export function member (object: DocuWareObject, name: string): unknown {
  if (Object.hasOwn(object, name)) return object[name]
  const wanted = name.toLowerCase()
  for (const key of Object.keys(object)) if (key.toLowerCase() === wanted) return object[key]
  return undefined
}

/** @throws DWA_DOCUWARE_UNEXPECTED_ANSWER */
export function asObject (value: unknown, what: string): DocuWareObject {
  if (!isObject(value)) throw new errors.DWA_DOCUWARE_UNEXPECTED_ANSWER(`something else than ${what}`)
  return value
}

/** The objects of a list, which DocuWare wraps: `{ "FileCabinet": [...] }`. @throws DWA_DOCUWARE_UNEXPECTED_ANSWER */
export function asList (value: unknown, name: string): DocuWareObject[] {
  const list = Array.isArray(value) ? value : member(asObject(value, `a list of ${name}`), name)
  if (!Array.isArray(list)) throw new errors.DWA_DOCUWARE_UNEXPECTED_ANSWER(`something else than a list of ${name}`)
  return list.map((item: unknown) => asObject(item, `a list of ${name}`))
}

/** The address of a link by its relation; null when there is none. */
export function linkOf (object: DocuWareObject, relation: string): string | null {
  const links = member(object, 'Links')
  if (!Array.isArray(links)) return null
  for (const link of links) {
    if (!isObject(link)) continue
    const [rel, href] = [member(link, 'rel'), member(link, 'href')]
    if (typeof rel === 'string' && rel.toLowerCase() === relation && typeof href === 'string' && href !== '') return href
  }
  return null
}
