import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { DocuWare } from '../../testing/index.js'
import type { Teardown } from '../mongo.js'

/** The members of a token answer. */
export type TokenBody = Readonly<Record<string, unknown>>

/** What is answered in place of it. */
export interface Tampered { readonly status?: number, readonly type?: string, readonly body: string | TokenBody }

/** An identity service that passes everything on to the simulator's, and may change what that answers to token requests. */
export class TamperingIdentity {
  /** Null leaves an answer as it is. */
  tamper: ((answer: TokenBody) => Tampered) | null = null
  readonly #dw: DocuWare
  readonly #server = createServer((request, response) => {
    this.#pass(request, response).catch((error: unknown) => { response.destroy(error instanceof Error ? error : undefined) })
  })

  constructor (dw: DocuWare) {
    this.#dw = dw
  }

  /** Takes the place of the simulator's identity service until the test ends. */
  async start (t: Teardown): Promise<this> {
    await this.listen(0)
    t.teardown(() => { this.stop() })
    this.#dw.set({ identityServiceUrl: `${this.#origin}${new URL(this.#dw.identityUrl).pathname}`, iss: 'absent' })
    return this
  }

  async listen (port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  get port (): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** Nobody listens any more. */
  stop (): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  get #origin (): string {
    return `http://127.0.0.1:${this.port}`
  }

  async #pass (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { origin } = new URL(this.#dw.identityUrl)
    const { authorization, accept = '*/*', 'content-type': type } = request.headers
    const answer = await fetch(`${origin}${request.url ?? '/'}`, {
      method: request.method ?? 'GET',
      redirect: 'manual',
      headers: { accept, ...(authorization === undefined ? {} : { authorization }), ...(type === undefined ? {} : { 'content-type': type }) },
      ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks).toString('utf8') })
    })
    const text = (await answer.text()).replaceAll(origin, this.#origin)
    const location = answer.headers.get('location')
    const headers = { 'content-type': answer.headers.get('content-type') ?? 'text/plain', ...(location === null ? {} : { location }) }
    if (this.tamper === null || request.url?.endsWith('/connect/token') !== true) {
      response.writeHead(answer.status, headers).end(text)
      return
    }
    const tampered = this.tamper(JSON.parse(text) as TokenBody)
    response.writeHead(tampered.status ?? 200, { 'content-type': tampered.type ?? 'application/json' }).end(typeof tampered.body === 'string' ? tampered.body : JSON.stringify(tampered.body))
  }
}
