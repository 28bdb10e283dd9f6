declare module 'autocannon' {
  import type { EventEmitter } from 'node:events'

  export interface Request {
    readonly method?: 'GET' | 'POST'
    readonly path?: string
    readonly headers?: { readonly [name: string]: string }
    readonly body?: string
    /** Called before each sending: what is sent. */
    readonly setupRequest?: (request: Request) => Request
    readonly onResponse?: (status: number, body: string) => void
  }

  export interface Client extends EventEmitter {
    setRequests (requests: readonly Request[]): void
  }

  export interface Options {
    readonly url: string
    readonly connections: number
    /** Seconds. */
    readonly duration?: number
    readonly amount?: number
    /** Milliseconds between samples; a run ends at one. */
    readonly sampleInt?: number
    readonly setupClient?: (client: Client) => void
  }

  export interface Result {
    readonly '2xx': number
    readonly non2xx: number
    readonly errors: number
  }

  export default function autocannon (options: Options): Promise<Result>
}
