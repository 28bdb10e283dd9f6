import { toState } from './connector-kind.js'
import type { ConnectorView } from './connector-schema.js'

interface Plain { readonly baseUrl: string, readonly headers?: Readonly<Record<string, string>> | undefined, readonly timeoutMs?: number | undefined, readonly retries?: number | undefined }

/** A connector declared in code, as it is shown. */
export function declaredView (name: string, { baseUrl, headers = {}, timeoutMs = 30_000, retries = 4 }: Plain, auth: ConnectorView['auth']): ConnectorView {
  return { id: null, version: 0, createdAt: null, updatedAt: null, name, baseUrl, headers, timeoutMs, retries, auth, hasCredentials: true, ...toState(null) }
}
