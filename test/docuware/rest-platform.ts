import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Bearer, BearerAccess } from '../../lib/docuware/bearer-access.js'
import { CabinetListRates } from '../../lib/docuware/rest/cabinet-list-rates.js'
import { createRestClient, type RestClientOptions } from '../../lib/docuware/rest/create-rest-client.js'
import type { DocuWareClient } from '../../lib/docuware/rest/docuware-client.js'
import { ManualClock } from '../manual-clock.js'
import type { Teardown } from '../mongo.js'

/** A request as the server had it. */
export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface TestPlatform {
  readonly origin: string
  readonly platformUrl: string
  readonly seen: Seen[]
}

export type Answer = (request: Seen, response: ServerResponse, incoming: IncomingMessage) => unknown

/** A server on loopback that stands in for DocuWare where the simulator is too well-behaved. */
export async function startPlatform (t: Teardown, answer: Answer): Promise<TestPlatform> {
  const seen: Seen[] = []
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => { chunks.push(chunk) })
    incoming.on('error', () => {}) // clients that go away are part of the tests
    incoming.on('end', () => {
      const { method = '', url = '', headers } = incoming
      const request = { method, url, headers, body: Buffer.concat(chunks).toString('utf8') }
      seen.push(request)
      answer(request, response, incoming)
    })
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.close(); server.closeAllConnections() })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { origin, platformUrl: `${origin}/DocuWare/Platform`, seen }
}

export function json (response: ServerResponse, value: unknown, status = 200, headers: Record<string, string> = {}): void {
  const text = JSON.stringify(value)
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(text), ...headers }).end(text)
}

/** One token after another. */
export class TestAccess implements BearerAccess {
  bearer: Bearer
  readonly refused: Bearer[] = []

  constructor (platformUrl: string, accessToken = 'token-0') {
    this.bearer = { platformUrl, accessToken, organization: 'acme' }
  }

  current (): Bearer {
    return this.bearer
  }

  async renew (refused: Bearer): Promise<Bearer> {
    this.refused.push(refused)
    if (refused === this.bearer) this.bearer = { ...refused, accessToken: `token-${this.refused.length}` }
    return this.bearer
  }
}

export interface TestClient {
  readonly dw: DocuWareClient
  readonly access: TestAccess
  readonly clock: ManualClock
  /** The waits before another try, in milliseconds: they pass at once. */
  readonly waits: number[]
  /** What was logged, as JSON. */
  readonly lines: string[]
}

/** A client whose time stands still, but for its waits between tries. */
export function testClient (platformUrl: string, options: RestClientOptions & { readonly access?: TestAccess, readonly onWait?: () => void } = {}): TestClient {
  const clock = new ManualClock(Date.UTC(2026, 10, 21, 12))
  const { access = new TestAccess(platformUrl), onWait = () => {}, ...rest } = options
  const waits: number[] = []
  const lines: string[] = []
  const line = (details: object, message: string): void => {
    lines.push(JSON.stringify({ message, ...details }))
    if (!('waitMs' in details)) return
    const wait = Number(details.waitMs)
    waits.push(wait)
    setImmediate(() => {
      onWait()
      clock.advance(wait + 1)
    })
  }
  const dw = createRestClient(access, { clock, random: () => 0.5, rates: new CabinetListRates(clock), logger: { info: line, warn: line, error: line }, ...rest })
  return { dw, access, clock, waits, lines }
}

/** What a promise was rejected with; null when it was not. */
export async function rejection (promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(() => null, (reason: unknown) => reason)
}
