import { isAuthError } from '../errors.js'
import type { Change } from '../store/record-collection.js'
import type { Grant, GrantErrors } from './grant.js'

const tries = 20

export interface UpdatableGrants<One extends Grant, Patch> {
  readonly open: (id: string) => Promise<One | null>
  readonly update: (id: string, version: number, patch: Patch, note: Change) => Promise<unknown>
  readonly forget: (id: string) => void
  readonly errors: Pick<GrantErrors, 'conflict' | 'notFound'>
}

/** The grant as the database has it. @throws its errors' `notFound`, DWA_STORE_UNAVAILABLE */
export async function openGrant<One extends Grant> ({ open, errors }: Pick<UpdatableGrants<One, never>, 'open' | 'errors'>, id: string, name: string | null = null): Promise<One> {
  const one = await open(id)
  if (one === null) throw errors.notFound(name)
  return one
}

/**
 * Applies a change to the newest version of a grant; null leaves it as it is, and is an error: what the change rests on is gone.
 * @throws its errors' `conflict` and `notFound`, DWA_STORE_UNAVAILABLE
 */
export async function updateGrant<One extends Grant, Patch> (grants: UpdatableGrants<One, Patch>, one: One, change: (one: One) => Patch | null, note: Change, left = tries): Promise<One> {
  const patch = change(one)
  if (patch === null) throw grants.errors.conflict()
  try {
    await grants.update(one.id, one.version, patch, note)
  } catch (error) {
    if (!isAuthError(error, 'DWA_STORE_CONFLICT') || left === 0) throw error
    return await updateGrant(grants, await openGrant(grants, one.id), change, note, left - 1)
  } finally {
    grants.forget(one.id)
  }
  return await openGrant(grants, one.id)
}
