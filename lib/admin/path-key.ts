/** In UTF-16 units: a name has 200 characters. */
export const maxKeyLength = 400

/** Of a path: what stands there is longer than a parameter may be in the router of an app that does not say otherwise (`maxParamLength`, 100). */
const longKey = ':id([\\s\\S]{100}):id2([\\s\\S]{1,100}):id3([\\s\\S]{0,100}):id4([\\s\\S]{0,100})'

/** What `:id` and its continuations hold. */
export type KeyParams = { readonly [name in 'id' | 'id2' | 'id3' | 'id4']?: string }

/** A path with `:id` once more, for keys too long for one parameter; none for a path without. */
export function longKeyPaths (path: string): string[] {
  return path.includes(':id') ? [path.replace(':id', longKey)] : []
}

/** The key in a path; empty where there is none. */
export function keyIn ({ id = '', id2 = '', id3 = '', id4 = '' }: KeyParams): string {
  return id + id2 + id3 + id4
}
