import type { Goal } from '../auth/comparisons.js'
import type { IssuedKind, ServerConfig } from './servers.js'

/** `introspection`: tokens in turn, known from their second time on; `introspection-new`: each once. `route`: a route that wants a token. */
export type Endpoint = 'client_credentials' | 'refresh' | 'code' | 'introspection' | 'introspection-new' | 'route'

/** What the requests of an endpoint are made of, how many a connection or a second needs, and whether a turn leaves nothing of them for the next. */
export const traffic: Readonly<Record<Endpoint, { readonly kind: IssuedKind, readonly count: (seconds: number) => number, readonly eachOnce: boolean, readonly usesUp: boolean }>> = {
  client_credentials: { kind: 'none', count: () => 0, eachOnce: false, usesUp: false },
  refresh: { kind: 'refresh', count: () => 64, eachOnce: false, usesUp: true },
  code: { kind: 'code', count: (seconds) => Math.max(64, Math.ceil(1000 * seconds)), eachOnce: true, usesUp: true },
  introspection: { kind: 'access', count: () => 640, eachOnce: false, usesUp: false },
  'introspection-new': { kind: 'access', count: (seconds) => Math.max(64, Math.ceil(2000 * seconds)), eachOnce: true, usesUp: true },
  route: { kind: 'access', count: () => 1, eachOnce: false, usesUp: false }
}

export interface Contestant {
  readonly name: string
  readonly kind: ServerConfig['kind']
  /** The database's address; null: none. */
  readonly uri: string | null
  readonly goals?: readonly Goal[]
}

/** Servers that are sent the same requests, in turns. The first is the reference. */
export interface Comparison {
  readonly name: Endpoint
  readonly title: string
  readonly contestants: readonly [Contestant, ...Contestant[]]
  /** All in one process, so that nothing but the servers differs; otherwise each has its own. */
  readonly together?: true
}

const titles: Readonly<Record<Endpoint, string>> = {
  client_credentials: 'token, client_credentials',
  refresh: 'token, refresh_token',
  code: 'token, authorization_code',
  introspection: 'introspection, 640 tokens in turn',
  'introspection-new': 'introspection, every token new',
  route: 'protected route, one hot token, in one process'
}

/** @param databases of the embedded MongoDB and, where there is one, of the server that MONGODB_URI names: an address for each kind of server */
export function comparisonsOn (databases: { readonly embedded: (name: string) => string, readonly named: ((name: string) => string) | null }): Comparison[] {
  const { embedded, named } = databases
  const pair = (where: string, uri: (name: string) => string): [Contestant, Contestant] => [
    { name: `oidc-provider, ${where}`, kind: 'oidc-provider', uri: uri('oidc') },
    { name: `this package, ${where}`, kind: 'ours', uri: uri('ours'), goals: [{ against: `oidc-provider, ${where}`, least: 2 }] }
  ]
  return [
    ...(['client_credentials', 'refresh', 'code', 'introspection', 'introspection-new'] as const).map((name): Comparison => ({
      name,
      title: titles[name],
      contestants: [
        ...pair('embedded MongoDB', embedded),
        { name: 'oidc-provider, in memory', kind: 'oidc-provider', uri: null },
        ...named === null ? [] : pair('MONGODB_URI', named)
      ]
    })),
    {
      name: 'route',
      title: titles.route,
      together: true,
      contestants: [
        { name: 'bare Fastify', kind: 'bare', uri: null },
        { name: 'bare Fastify, once more', kind: 'bare', uri: null }, // what it differs by is what cannot be measured
        { name: 'this package', kind: 'ours', uri: embedded('ours'), goals: [{ against: 'bare Fastify', least: 0.95 }] }
      ]
    }
  ]
}

/** The endpoints that write or read stored tokens. */
export const endpointsOfSizes = ['client_credentials', 'refresh', 'code', 'introspection-new'] as const

/** Those endpoints with few and with many tokens in the database. The first is the reference. */
export function comparisonsOfSizes (sizes: ReadonlyArray<{ readonly tokens: number, readonly uri: string }>): Comparison[] {
  const [first, ...others] = sizes.map(({ tokens, uri }): Contestant => ({ name: `${tokens} stored tokens`, kind: 'ours', uri }))
  if (first === undefined) return []
  return endpointsOfSizes.map((name) => ({ name, title: titles[name], contestants: [first, ...others] }))
}
