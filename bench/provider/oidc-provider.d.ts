/** What the benchmark uses beyond `examples/demo/oidc-provider.d.ts`. */
declare module 'oidc-provider' {
  export type Saved = new (fields: object) => { save (): Promise<string> }

  export default interface Provider {
    readonly AuthorizationCode: Saved
    readonly RefreshToken: Saved
    readonly ClientCredentials: Saved
    readonly Client: { find (clientId: string): Promise<object | undefined> }
  }
}
