import { postEnvelope } from './post-envelope.js'
import type { Sentry, SentryEvent } from './sentry-sdk.js'

type Client = InstanceType<Sentry['NodeClient']>

export interface IsolatedClientOptions {
  readonly sentry: Sentry
  readonly dsn: string
  /** Told how each delivery ended: null when the event arrived. */
  readonly onOutcome: (problem: string | null) => void
}

/**
 * A Sentry client that neither sees nor touches the app's own: no global init, no integrations, no scopes, no handlers.
 * Events are sent as they are given: `captureException` would merge the global scope in, and mark the error as reported for the app's client too.
 */
export class IsolatedClient {
  readonly #client: Client
  readonly #stop = new AbortController()

  constructor ({ sentry, dsn, onOutcome }: IsolatedClientOptions) {
    const { signal } = this.#stop
    this.#client = withoutProcessHandlers(() => new sentry.NodeClient({
      dsn,
      integrations: [],
      stackParser: sentry.defaultStackParser,
      sendClientReports: false,
      includeServerName: false,
      traceLifecycle: 'static',
      enableRuntimeChannelInjection: false,
      transport: (options) => sentry.createTransport(options, async ({ body }) => {
        try {
          const { statusCode, headers } = await postEnvelope(options.url, body, signal)
          onOutcome(isRefusal(statusCode) ? `answered with status ${statusCode}` : null)
          return {
            ...(statusCode === undefined ? {} : { statusCode }),
            headers: { 'retry-after': headers['retry-after'] ?? null, 'x-sentry-rate-limits': [headers['x-sentry-rate-limits'] ?? []].flat().at(0) ?? null }
          }
        } catch (error) {
          if (!signal.aborted) onOutcome(error instanceof Error ? error.message : String(error))
          throw error
        }
      })
    }))
  }

  /** Sends an event, or drops it while Sentry asks for a pause. Resolves when that is done, however it ended. */
  async send (event: SentryEvent): Promise<void> {
    this.#client.sendEvent(event)
    await this.#client.flush()
  }

  /** Breaks off whatever is on its way. */
  stop (): void {
    this.#stop.abort()
  }
}

/** Sentry paces its clients by 429; everything else outside 2xx is a mistake in the settings or at its end. */
function isRefusal (statusCode = 0): boolean {
  return statusCode !== 429 && (statusCode < 200 || statusCode > 299)
}

/** The client's constructor listens to the end of the process, to flush what only integrations collect. */
function withoutProcessHandlers<Made> (make: () => Made): Made {
  const before = new Set(process.listeners('beforeExit'))
  const made = make()
  for (const listener of process.listeners('beforeExit')) if (!before.has(listener)) process.off('beforeExit', listener)
  return made
}
