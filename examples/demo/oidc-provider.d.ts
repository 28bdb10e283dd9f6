/** The part of oidc-provider, which has no declarations of its own, that the demo uses. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export interface Interaction {
    readonly uid: string
    readonly prompt: { readonly name: string }
    readonly params: { readonly client_id?: string }
  }

  export interface Grant {
    addOIDCScope (scope: string): void
    addResourceScope (resource: string, scope: string): void
    save (): Promise<string>
  }

  export default class Provider {
    constructor (issuer: string, configuration: object)
    readonly Grant: new (owner: { accountId: string, clientId: string }) => Grant
    on (event: 'server_error', listener: (context: unknown, error: Error) => void): this
    callback (): (request: IncomingMessage, response: ServerResponse) => Promise<void>
    interactionDetails (request: IncomingMessage, response: ServerResponse): Promise<Interaction>
    interactionFinished (request: IncomingMessage, response: ServerResponse, result: object): Promise<void>
  }
}
