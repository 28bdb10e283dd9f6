import { isSame } from './same-text.js'
import { freshSecret } from './secrets.js'

/** The one person who can sign in at the identity server. The password is fresh for each run. */
export const demoUser = { id: 'ann', name: 'Ann Archer', email: 'ann@example.com', password: freshSecret().slice(0, 12) } as const

/** Addresses by account or client id: a program has one too, so that the app finds its partner. */
const emails: ReadonlyMap<string, string> = new Map([[demoUser.id, demoUser.email], ['demo-service', 'night-shift@example.com']])

export function emailOf (id: string): string | undefined {
  return emails.get(id)
}

/** The account as oidc-provider wants it. */
export function findAccount (id: string): object | undefined {
  if (id !== demoUser.id) return undefined
  return { accountId: id, claims: () => ({ sub: id, name: demoUser.name, email: demoUser.email }) }
}

/** The id of the account that the e-mail address and password open, or null. */
export function signIn (email: string, password: string): string | null {
  return isSame(password, demoUser.password) && email.trim().toLowerCase() === demoUser.email ? demoUser.id : null
}
