declare module 'express' {
  import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'

  export type Request = IncomingMessage
  export interface Response extends ServerResponse { json (body: unknown): void }
  export type Handler = (request: Request, response: Response, next: (error?: unknown) => void) => void
  export interface Application extends RequestListener {
    use (handler: Handler): void
    get (path: string, handler: (request: Request, response: Response) => void): void
  }

  export default function express (): Application
}
