import { errors } from '../errors.js'

/** A version of a record. `id` is null for what is declared in code, where its name is all it has. */
export interface RecordVersion {
  readonly id: string | null
  readonly version: number
}

/**
 * The entity tag of a version of a record (RFC 9110 §8.8.3): `"<id>-<version>"`, since a record that is made again under its name counts from 1 again. Null for what is
 * declared in code: its version does not count what becomes of it, as of a grant.
 */
export function entityTag ({ id, version }: RecordVersion): string | null {
  return id === null ? null : `"${id}-${version}"`
}

/** What a form about that version has as If-Match. */
export function ifMatchOf (version: RecordVersion): string {
  return entityTag(version) ?? '*'
}

/**
 * The version that a change is meant for, by If-Match (RFC 9110 §13.1.1); undefined: whatever is the newest.
 * @param current asked only when several versions are named
 * @throws DWA_ADMIN_PRECONDITION_REQUIRED without the header, when it is needed (RFC 6585 §3); DWA_STORE_CONFLICT when what it names can be no version
 */
export async function versionMeant (ifMatch: string | undefined, { required, noun, current }: { readonly required: boolean, readonly noun: string, readonly current: () => Promise<RecordVersion> }): Promise<RecordVersion | undefined> {
  if (ifMatch === undefined) {
    if (required) throw new errors.DWA_ADMIN_PRECONDITION_REQUIRED()
    return undefined
  }
  if (ifMatch.trim() === '*') return undefined
  const versions = ifMatch.split(',').flatMap((tag) => readTag(tag.trim()) ?? [])
  const meant = versions.length > 1 ? await oneOf(versions, current) : versions.at(0)
  if (meant === undefined) throw new errors.DWA_STORE_CONFLICT(`The ${noun}`)
  return meant
}

async function oneOf (versions: readonly RecordVersion[], current: () => Promise<RecordVersion>): Promise<RecordVersion | undefined> {
  const is = entityTag(await current())
  return versions.find((version) => entityTag(version) === is)
}

function readTag (tag: string): RecordVersion | null {
  const [, id, version] = /^"([^"]+)-(\d{1,15})"$/.exec(tag) ?? []
  return id === undefined ? null : { id, version: Number(version) }
}

/** Whether the caller has that version already, by If-None-Match, whose comparison is weak (RFC 9110 §13.1.2). */
export function isKnown (ifNoneMatch: string | undefined, version: RecordVersion): boolean {
  const is = entityTag(version)
  if (ifNoneMatch === undefined || is === null) return false
  return ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some((tag) => tag.trim().replace(/^W\//, '') === is)
}
