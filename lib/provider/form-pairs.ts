import { errors } from '../errors.js'
import { decode } from './form-parameters.js'

/**
 * The pairs of a query or form that have one of those names, still encoded.
 * @throws DWA_OAUTH_INVALID_REQUEST for `name[…]`, of which other readers make arrays and objects: nobody who meant the name goes unheard (security.md 8, 32)
 */
export function pairsOf (encoded: string, names: readonly string[]): string {
  return encoded.split('&').filter((pair) => {
    const name = nameOf(pair)
    if (names.some((one) => name.startsWith(`${one}[`))) throw new errors.DWA_OAUTH_INVALID_REQUEST('A parameter is malformed')
    return names.includes(name)
  }).join('&')
}

/** Every value of a name, decoded, in order. @throws DWA_OAUTH_INVALID_REQUEST */
export function valuesOf (encoded: string, name: string): string[] {
  return pairsOf(encoded, [name]).split('&').filter((pair) => pair.includes('=')).map((pair) => decode(pair.slice(pair.indexOf('=') + 1)))
}

/** The name of a pair; none when it cannot be read, which is for whoever reads all of them to say. */
function nameOf (pair: string): string {
  try {
    return decode(pair.split('=', 1).join(''))
  } catch {
    return ''
  }
}
