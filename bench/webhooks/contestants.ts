/** What a server of the benchmark is started with. */
export interface ServerConfig {
  readonly kind: 'bare' | 'by-hand' | 'ours'
  /** The database. */
  readonly uri: string
}

export const contestants = [
  { name: 'bare POST route', kind: 'bare' },
  { name: 'bare POST route and one HMAC by hand', kind: 'by-hand' },
  { name: 'this package, config.webhook', kind: 'ours' }
] as const

/** What signs the benchmark's bodies. */
export const secret = 'a secret of the benchmark'
