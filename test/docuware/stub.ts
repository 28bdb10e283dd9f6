import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** Answers of a server by path; the one under `*` is for all others. */
export interface StubRoutes { readonly [path: string]: (request: IncomingMessage, response: ServerResponse) => void | Promise<void> }

/** A server whose answers are the test's own, stopped with it. */
export interface Stub {
  readonly origin: string
  /** `METHOD /path?query` of the requests so far. */
  readonly requests: string[]
}

/** @param routes may depend on the server's own address */
export async function startStub (t: Test, routes: (origin: string) => StubRoutes): Promise<Stub> {
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(`${request.method ?? ''} ${request.url ?? ''}`)
    const known = routes(origin)
    const answer = known[new URL(request.url ?? '', origin).pathname] ?? known['*'] ?? ((_, response) => { response.writeHead(404).end() })
    Promise.resolve(answer(request, response)).catch((error: unknown) => { response.destroy(error instanceof Error ? error : undefined) })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return { origin, requests }
}

export const json = (value: unknown, headers: { readonly [name: string]: string } = {}) => (_: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', ...headers }).end(typeof value === 'string' ? value : JSON.stringify(value))
}

export const redirect = (location: string | undefined, status = 302) => (_: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(status, location === undefined ? {} : { location }).end()
}
