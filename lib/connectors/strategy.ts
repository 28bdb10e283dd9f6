import type { BodySource } from './request-body.js'
import type { AnswerHead } from './transport.js'

/** A request on its way out, as a strategy sees it. Strategies answer a changed copy. */
export interface ConnectorRequest {
  /** In upper case. */
  readonly method: string
  /** Exactly as the caller passed it, its query included. */
  readonly path: string
  readonly url: URL
  /** With names in lower case. What the caller of the request set itself stays as it is, whatever a strategy answers. */
  readonly headers: Readonly<Record<string, string>>
  /** What the caller gave as JSON; undefined for anything else. */
  readonly json: unknown
  /** What is sent. JSON and forms are text here. */
  readonly body: BodySource | null
}

/** The start of an answer. */
export type UnauthorizedResponse = AnswerHead

/** How requests are authenticated. An app can write its own. */
export interface Strategy {
  readonly name: string
  /** Makes a request authentic; called for every try. */
  apply (request: ConnectorRequest): ConnectorRequest | Promise<ConnectorRequest>
  /** Told of a 401 to `request`. Unless it answers false the request is applied and sent once more. Without it a 401 is final. */
  onUnauthorized? (response: UnauthorizedResponse, request: ConnectorRequest): boolean | void | Promise<boolean | void>
  /** Told of a 401 to what was sent after `onUnauthorized`, too. */
  onRejected? (request: ConnectorRequest): void
  /** What must be masked wherever an answer repeats it. Headers and parameters that `apply` adds are masked anyhow. */
  readonly secrets?: readonly string[]
}

/** The request with more headers. */
export function withHeaders (request: ConnectorRequest, headers: Readonly<Record<string, string>>): ConnectorRequest {
  return { ...request, headers: { ...request.headers, ...headers } }
}
