import { bearer, createConnector, type Connector, type ConnectorOptions } from '../../connectors.js'
import { ManualClock } from '../manual-clock.js'

export interface TestConnector {
  readonly connector: Connector
  readonly clock: ManualClock
  /** The waits before another try, in milliseconds: they pass at once. */
  readonly waits: number[]
  /** What was logged, as JSON. */
  readonly lines: string[]
}

/** A connector to loopback whose time stands still, but for its waits between tries. */
export function testConnector (baseUrl: string, { onWait = () => true, ...options }: Partial<ConnectorOptions> & { readonly onWait?: () => boolean } = {}): TestConnector {
  const clock = new ManualClock(Date.UTC(2026, 10, 21, 12))
  const waits: number[] = []
  const lines: string[] = []
  const line = (details: object, message: string): void => {
    lines.push(JSON.stringify({ message, ...details }))
    if (!('waitMs' in details)) return
    const wait = Number(details.waitMs)
    waits.push(wait)
    setImmediate(() => { if (onWait()) clock.advance(wait + 1) })
  }
  const connector = createConnector({ baseUrl, auth: bearer('the-token'), allowInsecure: true, clock, random: () => 0.5, logger: { info: line, warn: line, error: line }, ...options })
  return { connector, clock, waits, lines }
}

/** What a promise was rejected with; null when it was not. */
export async function rejection (promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(() => null, (reason: unknown) => reason)
}
