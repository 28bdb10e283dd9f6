/** What the simulator's process is told. */
export interface SimulatorConfig {
  readonly redirectUri: string
  readonly clientId: string
  readonly clientSecret: string
  readonly user: { readonly username: string, readonly password: string }
}
