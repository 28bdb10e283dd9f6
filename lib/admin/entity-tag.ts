import { errors } from '../errors.js'

/** The entity tag of a version (RFC 9110 §8.8.3). */
export function entityTag (version: number): string {
  return `"${version}"`
}

/**
 * The version that a change is meant for, by If-Match (RFC 9110 §13.1.1); undefined: whatever is the newest.
 * @param current asked only when several versions are named
 * @throws DWA_ADMIN_PRECONDITION_REQUIRED without the header, when it is needed (RFC 6585 §3); DWA_STORE_CONFLICT when what it names can be no version
 */
export async function versionMeant (ifMatch: string | undefined, { required, noun, current }: { readonly required: boolean, readonly noun: string, readonly current: () => Promise<number | undefined> }): Promise<number | undefined> {
  if (ifMatch === undefined) {
    if (required) throw new errors.DWA_ADMIN_PRECONDITION_REQUIRED()
    return undefined
  }
  if (ifMatch.trim() === '*') return undefined
  const versions = ifMatch.split(',').flatMap((tag) => /^\s*"(\d{1,15})"\s*$/.exec(tag)?.[1] ?? []).map(Number)
  const meant = versions.length > 1 ? await oneOf(versions, current) : versions.at(0)
  if (meant === undefined) throw new errors.DWA_STORE_CONFLICT(`The ${noun}`)
  return meant
}

async function oneOf (versions: readonly number[], current: () => Promise<number | undefined>): Promise<number | undefined> {
  const is = await current()
  return versions.find((version) => version === is)
}

/** Whether the caller has that version already, by If-None-Match, whose comparison is weak (RFC 9110 §13.1.2). */
export function isKnown (ifNoneMatch: string | undefined, version: number): boolean {
  if (ifNoneMatch === undefined) return false
  return ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some((tag) => tag.trim().replace(/^W\//, '') === entityTag(version))
}
