import { createHmac } from 'node:crypto'
import type { Server } from 'node:http'
import Fastify, { type FastifyHttpOptions, type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { store, type StoreOptions } from '../../plugins/store.js'
import { webhooks, type WebhooksOptions } from '../../plugins/webhooks.js'
import { masterKey } from '../store-app.js'

/** What a test's handler was given. */
export interface Handled { readonly body: unknown, readonly webhook: unknown }

export interface WebhookApp {
  readonly app: FastifyInstance
  /** What got as far as the handler of `/hooks/<source>`. */
  readonly handled: Handled[]
  /** Lines of the app's log, as text. */
  readonly lines: string[]
}

export interface WebhookAppOptions extends WebhooksOptions {
  readonly uri: string
  readonly store?: Partial<StoreOptions>
  readonly fastify?: FastifyHttpOptions<Server>
  /** Runs before the plugin is registered. */
  readonly before?: (app: FastifyInstance) => void | Promise<void>
}

/** An app with one route for each source, `/hooks/<source>`, and `/hooks/late` for a stored one; closed with the test. `ready` is left to the caller. */
export async function webhookApp (t: Test, { uri, store: storeOptions, fastify, before, ...options }: WebhookAppOptions): Promise<WebhookApp> {
  const lines: string[] = []
  const handled: Handled[] = []
  const app = Fastify({ logger: { level: 'info', stream: { write (line: string) { lines.push(line) } } }, ...fastify })
  t.teardown(() => app.close())
  await app.register(store, { uri, secretKeys: [masterKey], ...storeOptions })
  await before?.(app)
  await app.register(webhooks, options)
  app.addContentTypeParser('text/plain', { parseAs: 'buffer' }, (_request, body, done) => { done(null, body) })
  for (const name of [...Object.keys(options.sources ?? {}), 'late']) {
    app.post(`/hooks/${name}`, { config: { webhook: name } }, async ({ body, webhook }) => {
      handled.push({ body, webhook })
      return { handled: name }
    })
  }
  return { app, handled, lines }
}

export const secret = 'whsec_a_secret_of_a_webhook'

/** The signature of a text or of bytes. */
export function sign (body: string | Buffer, { algorithm = 'sha256', encoding = 'hex', key = secret }: { algorithm?: string, encoding?: 'hex' | 'base64', key?: string } = {}): string {
  return createHmac(algorithm, key).update(body).digest(encoding)
}

export const invalid = { error: 'Invalid signature' }
