import { byName, sole, type ValidatorKey } from './validator-key.js'

/** What `config.auth` asks for: a validator, and whether anonymous callers pass. */
export interface RouteValue { readonly validator: ValidatorKey, readonly public: boolean }

/** An identifier: Unicode letters, digits and `_`, not starting with a digit. */
export function isIdentifier (name: string): boolean {
  return /^[\p{L}_][\p{L}\p{M}\p{Nd}_]*$/u.test(name)
}

/**
 * Reads `jwt_<name>`, `public_or_jwt_<name>`, and without a name, for the only validator there is, `jwt` and `public_or_jwt`.
 * `unclaimed`: some other plugin's value; `malformed`: ours, but the name is no identifier.
 */
export function parseRouteValue (value: string): RouteValue | 'unclaimed' | 'malformed' {
  const match = /^(public_or_)?jwt(?:_(.*))?$/su.exec(value)
  if (match === null) return 'unclaimed'
  const isPublic = match[1] !== undefined
  const name = match[2]
  if (name === undefined) return { validator: sole, public: isPublic }
  return isIdentifier(name) ? { validator: byName(name), public: isPublic } : 'malformed'
}
