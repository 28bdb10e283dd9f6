import type { WebhookSources } from '../lib/webhooks/sources.js'

/** What is known of a request whose signature was right. */
export interface VerifiedWebhook {
  /** The source that the route names. */
  readonly source: string
  /** The delivery's id, if the source sends one. */
  readonly id: string | null
  /** When it was sent, if the source says so. */
  readonly timestamp: Date | null
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Webhook sources, by the `webhooks` plugin. */
    webhookSources: WebhookSources
  }

  interface FastifyRequest {
    /** On routes with `config.webhook`, once the signature was found right; otherwise null. */
    webhook: VerifiedWebhook | null
  }
}
