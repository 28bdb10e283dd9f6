import { algorithms, type Algorithm } from './credentials.js'
import { usedValidator } from './our-app.js'
import type { ServerConfig } from './servers.js'

/** What the requests of a comparison carry: no header, one token, 10 000 in turn, or a new one every time. */
export type Traffic = 'no-token' | 'hot' | 'distinct' | 'new'

/** How a contestant's requests a second should compare with another's. */
export interface Goal { readonly against: string, readonly least: number, readonly most?: number }

export interface Contestant {
  readonly name: string
  readonly kind: ServerConfig['kind']
  /** Ours only. */
  readonly auth?: string | null
  readonly database?: 'one' | 'many'
  readonly goals?: readonly Goal[]
}

/** Servers that are sent the very same requests, in turns. The first is the reference. */
export interface Comparison {
  readonly name: string
  readonly title: string
  readonly algorithm: Algorithm
  readonly traffic: Traffic
  readonly contestants: readonly [Contestant, ...Contestant[]]
  /** All in one process, so that nothing but the servers differs; otherwise each has its own. */
  readonly together?: true
}

const bare: Contestant = { name: 'bare Fastify', kind: 'bare' }
/** The same once more: what it differs by is what cannot be measured. */
const bareAgain: Contestant = { name: 'bare Fastify, once more', kind: 'bare' }
const lookUp: Contestant = { name: 'a Map look-up by hand', kind: 'look-up' }
const fastifyJwt: Contestant = { name: '@fastify/jwt', kind: 'fastify-jwt' }
const express: Contestant = { name: 'express-oauth2-jwt-bearer', kind: 'express-oauth2-jwt-bearer' }
const nodeCrypto: Contestant = { name: 'node:crypto alone', kind: 'node-crypto' }

function ours (algorithm: Algorithm, goals: readonly Goal[], name = 'this package'): Contestant {
  return { name, kind: 'ours', auth: `jwt_${usedValidator(algorithm)}`, goals }
}

const beaten: Goal = { against: fastifyJwt.name, least: 1 }

/** Every comparison of the benchmark, in the order of the report. */
export const comparisons: readonly Comparison[] = [
  {
    name: 'open',
    title: 'no token',
    algorithm: 'HS256',
    traffic: 'no-token',
    contestants: [
      bare,
      { name: 'Fastify + mongoose, connected', kind: 'mongoose' },
      { name: 'this package, route without config.auth', kind: 'ours', auth: null, goals: [{ against: bare.name, least: 0.995 }] },
      { name: 'this package, public_or_jwt_', kind: 'ours', auth: `public_or_jwt_${usedValidator('HS256')}` }
    ]
  },
  ...algorithms.map((algorithm): Comparison => ({
    name: `hot-${algorithm}`,
    title: `${algorithm}, one hot token`,
    algorithm,
    traffic: 'hot',
    contestants: [bare, lookUp, ours(algorithm, [{ against: bare.name, least: 0.97 }, beaten]), fastifyJwt, express]
  })),
  ...algorithms.map((algorithm): Comparison => ({
    name: `distinct-${algorithm}`,
    title: `${algorithm}, 10 000 tokens in turn`,
    algorithm,
    traffic: 'distinct',
    contestants: [bare, lookUp, ours(algorithm, [{ against: bare.name, least: 0.93 }, beaten]), fastifyJwt]
  })),
  ...algorithms.map((algorithm): Comparison => ({
    name: `new-${algorithm}`,
    title: `${algorithm}, every token new`,
    algorithm,
    traffic: 'new',
    contestants: [bare, ours(algorithm, [...algorithm === 'RS256' ? [{ against: nodeCrypto.name, least: 0.95 }] : [], beaten]), nodeCrypto, fastifyJwt]
  })),
  {
    name: 'validators',
    title: 'RS256, one hot token, validators in the database',
    algorithm: 'RS256',
    traffic: 'hot',
    contestants: [
      bare,
      { ...ours('RS256', [], 'this package, 3 validators'), database: 'one' },
      { ...ours('RS256', [{ against: 'this package, 3 validators', least: 0.97, most: 1.03 }], 'this package, 10 000 validators'), database: 'many' }
    ]
  },
  {
    name: 'together-open',
    title: 'no token, in one process',
    algorithm: 'HS256',
    traffic: 'no-token',
    together: true,
    contestants: [bare, bareAgain, { name: 'this package, route without config.auth', kind: 'ours', auth: null, goals: [{ against: bare.name, least: 0.995 }] }]
  },
  {
    name: 'together-hot',
    title: 'RS256, one hot token, in one process',
    algorithm: 'RS256',
    traffic: 'hot',
    together: true,
    contestants: [
      bare,
      bareAgain,
      lookUp,
      ours('RS256', [{ against: bare.name, least: 0.97 }], 'this package, 3 validators'),
      { ...ours('RS256', [{ against: 'this package, 3 validators', least: 0.97, most: 1.03 }], 'this package, 10 000 validators'), database: 'many' }
    ]
  },
  {
    name: 'together-distinct',
    title: 'RS256, 10 000 tokens in turn, in one process',
    algorithm: 'RS256',
    traffic: 'distinct',
    together: true,
    contestants: [bare, bareAgain, lookUp, ours('RS256', [{ against: bare.name, least: 0.93 }])]
  },
  {
    name: 'together-new',
    title: 'RS256, every token new, in one process',
    algorithm: 'RS256',
    traffic: 'new',
    together: true,
    contestants: [bare, nodeCrypto, ours('RS256', [{ against: nodeCrypto.name, least: 0.95 }])]
  }
]
