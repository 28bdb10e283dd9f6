import { failureLimitSchema, type FailureLimit } from '../store/failure-locks.js'
import { secretSchema, signingSchema, type SigningFields } from './source-schema.js'

/** The secrets of one moment: several while they are exchanged. */
export type Secrets = string | readonly string[]

/** Finds the secrets by the request, of which only the head is known then; null: there is nobody whose signature could be right. */
export type SecretFinder<Request> = (request: Request) => Secrets | null | undefined | Promise<Secrets | null | undefined>

/** A source declared in code. */
export interface DeclaredSource<Request = unknown> extends SigningFields {
  readonly secret: Secrets | SecretFinder<Request>
}

/** Options of the `webhooks` plugin; `Request` is what functions that find secrets are handed. */
export interface WebhooksOptions<Request = unknown> {
  /** Sources by name, read-only at run time: `{ preset, secret }`, or how the sender signs. Default: none, beside the stored ones. */
  readonly sources?: { readonly [name: string]: DeclaredSource<Request> }
  readonly limits?: {
    /** Refused requests of one source from one address, an IPv6 network of 64 bits being one; then every request from there is answered 429. Default 60 in 60 s, for 60 s. */
    readonly refusedPerAddress?: FailureLimit
  }
  /** Seconds a stored source serves while MongoDB is away. Default 300. */
  readonly maxStaleSeconds?: number
}

/** JSON schema of WebhooksOptions. */
export const webhooksOptionsSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    sources: {
      type: 'object',
      additionalProperties: {
        type: 'object',
        additionalProperties: false,
        required: ['secret'],
        properties: { ...signingSchema, secret: { anyOf: [...secretSchema.anyOf, { function: true }] } }
      }
    },
    limits: { type: 'object', additionalProperties: false, properties: { refusedPerAddress: failureLimitSchema } },
    maxStaleSeconds: { type: 'number', minimum: 0, maximum: 86_400 }
  }
} as const

/** Security.md 31. */
export const defaultRefusedPerAddress: FailureLimit = { max: 60, windowSeconds: 60 }
