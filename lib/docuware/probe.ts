import type { Account } from './connection-schema.js'
import type { DocuWareClient, DocuWareObject } from './rest/docuware-client.js'
import { isObject, member } from './rest/member.js'

/** What a probe found, and what ended it before it had found everything. */
export interface Probe {
  readonly account: Account | null
  readonly failure: Error | null
}

/** Asks a platform for its organization and for the connection's user. Reads only; an abort of `signal` is a failure as any other. */
export async function probe (client: DocuWareClient, signal: AbortSignal): Promise<Probe> {
  let account: Account = {}
  try {
    const [organization = {}] = await client.organizations({ signal })
    account = named('organization', [member(organization, 'Name')])
    const info = await client.whoami({ signal })
    const found = member(info, 'User')
    const user: DocuWareObject = isObject(found) ? found : info
    return { account: { ...account, ...named('username', [member(user, 'Name'), member(user, 'EMail')]) }, failure: null }
  } catch (error) {
    return { account: account.organization === undefined ? null : account, failure: error instanceof Error ? error : new Error(String(error)) }
  }
}

/** The first text that says something. */
function named (field: 'organization' | 'username', values: readonly unknown[]): Account {
  const text = values.find((value): value is string => typeof value === 'string' && value !== '')
  return text === undefined ? {} : { [field]: text.slice(0, 256) }
}
