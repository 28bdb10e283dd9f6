import { errors } from '../errors.js'

/** A person of the app's: any object with an `id` or an `_id`, whose text is the user's id. */
export type OwnerUser = object

/** What the provider asks the app about people. */
export interface Owner<Request> {
  /** Who is signed in; null for nobody. */
  readonly current: (request: Request) => OwnerUser | null | Promise<OwnerUser | null>
  /** Where people sign in: a path or URL that leads back to `returnTo`, a path of this app, afterwards. */
  readonly loginUrl: (request: Request, returnTo: string) => string | Promise<string>
  /** A person by id; null when there is none any more, which makes their tokens invalid. */
  readonly find: (id: string) => OwnerUser | null | Promise<OwnerUser | null>
  /** For legacy clients: the person with that name and password; null when they are wrong, and for people who sign in with more than a password. */
  readonly verifyPassword?: (username: string, password: string) => OwnerUser | null | Promise<OwnerUser | null>
  /** What the consent page shows as the account. Default: the first of name, email, username, login, id. */
  readonly displayName?: (user: OwnerUser) => string
}

/** The id of a person; an ObjectId is its own. @throws DWA_PROVIDER_OWNER_FAILED for an object without one */
export function userIdOf (user: OwnerUser): string {
  const given: unknown = user // the app may be plain JavaScript
  const id = typeof given !== 'object' || given === null ? undefined : isObjectId(given) ? given : member(given, 'id') ?? member(given, '_id')
  const text = typeof id === 'string' || Number.isFinite(id) || isObjectId(id) ? String(id) : ''
  if (text === '' || text.length > 200) throw new errors.DWA_PROVIDER_OWNER_FAILED('A user without an id')
  return text
}

function isObjectId (value: unknown): value is object {
  return typeof value === 'object' && value !== null && 'toHexString' in value
}

/** How a person is called on a page. @throws DWA_PROVIDER_OWNER_FAILED */
export async function displayNameOf (user: OwnerUser, displayName?: (user: OwnerUser) => string): Promise<string> {
  if (displayName !== undefined) {
    const given: unknown = await askOwner('displayName', () => displayName(user))
    if (typeof given !== 'string') throw new errors.DWA_PROVIDER_OWNER_FAILED('provider.owner.displayName returned no text')
    return given
  }
  for (const name of ['name', 'email', 'username', 'login']) {
    const value = member(user, name)
    if (typeof value === 'string' && value !== '') return value
  }
  return userIdOf(user)
}

/** Asks the app, and says so when it throws. @throws DWA_PROVIDER_OWNER_FAILED, with the app's error as `cause` */
export async function askOwner<Answer> (name: keyof Owner<unknown>, ask: () => Answer | Promise<Answer>): Promise<Answer> {
  try {
    return await ask()
  } catch (error) {
    throw new errors.DWA_PROVIDER_OWNER_FAILED(`provider.owner.${name} failed`, { cause: error })
  }
}

function member (user: OwnerUser, name: string): unknown {
  const value: unknown = Reflect.get(user, name)
  return value === null || value === undefined ? undefined : value
}
