/** The part of simple-oauth2, which has no declarations of its own, that the tests use. */
declare module 'simple-oauth2' {
  export interface Configuration {
    readonly client: { readonly id: string, readonly secret: string }
    readonly auth: { readonly tokenHost: string, readonly tokenPath: string, readonly authorizePath?: string, readonly revokePath?: string }
    readonly options?: { readonly authorizationMethod?: 'header' | 'body', readonly credentialsEncodingMode?: 'strict' | 'loose' }
  }

  export interface AccessToken {
    readonly token: Readonly<Record<string, unknown>>
    refresh (): Promise<AccessToken>
    revoke (type: 'access_token' | 'refresh_token'): Promise<unknown>
    revokeAll (): Promise<unknown>
  }

  export class AuthorizationCode {
    constructor (configuration: Configuration)
    authorizeURL (parameters: Readonly<Record<string, string>>): string
    getToken (parameters: Readonly<Record<string, string>>): Promise<AccessToken>
  }

  export class ClientCredentials {
    constructor (configuration: Configuration)
    getToken (parameters: Readonly<Record<string, string>>): Promise<AccessToken>
  }

  export class ResourceOwnerPassword {
    constructor (configuration: Configuration)
    getToken (parameters: Readonly<Record<string, string>>): Promise<AccessToken>
  }
}
