import { errors } from '../../errors.js'

/** A part of a path that the caller's data fills. @throws DWA_DOCUWARE_INVALID_REQUEST when it would lead elsewhere */
export function segment (name: string, value: string | number): string {
  const text = String(value)
  if (text === '' || text === '.' || text === '..') throw new errors.DWA_DOCUWARE_INVALID_REQUEST(`The ${name} must not be ${JSON.stringify(text)}`)
  return encodeURIComponent(text)
}
