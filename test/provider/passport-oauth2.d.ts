/** The part of passport-oauth2, which has no declarations of its own, that the tests use. */
declare module 'passport-oauth2' {
  type Done<Value> = (error: unknown, value?: Value) => void

  /** The `oauth` package's client, which strategies for one provider or another call for profiles and refreshes. */
  export interface OAuth2Client {
    useAuthorizationHeaderforGET (use: boolean): void
    get (url: string, accessToken: string, done: (error: unknown, body?: string) => void): void
    getOAuthAccessToken (code: string, parameters: Record<string, string>, done: (error: unknown, accessToken?: string, refreshToken?: string) => void): void
  }

  export interface StrategyOptions {
    readonly authorizationURL: string
    readonly tokenURL: string
    readonly clientID: string
    readonly clientSecret: string
    readonly callbackURL: string
    readonly scope?: readonly string[]
    readonly state: true
    readonly pkce: true
  }

  export default class Strategy<User> {
    protected readonly _oauth2: OAuth2Client
    constructor (options: StrategyOptions, verify: (accessToken: string, refreshToken: string, profile: Readonly<Record<string, unknown>>, done: Done<User>) => void)
    userProfile (accessToken: string, done: Done<Readonly<Record<string, unknown>>>): void
    authenticate (request: object, options?: object): void
    /** What passport gives a strategy for each request. */
    success: (user: User) => void
    fail: (challenge: unknown, status?: number) => void
    redirect: (url: string) => void
    error: (error: unknown) => void
  }
}
