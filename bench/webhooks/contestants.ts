/** What the process with all the servers is started with. */
export interface ServersConfig {
  /** The database. */
  readonly uri: string
}

export const contestants = [
  { name: 'bare POST route', kind: 'bare' },
  { name: 'bare POST route and one HMAC by hand', kind: 'by-hand' },
  { name: 'this package, config.webhook', kind: 'ours' }
] as const

export type Kind = (typeof contestants)[number]['kind']

/** What signs the benchmark's bodies. */
export const secret = 'a secret of the benchmark'
