import type { FastifyInstance } from 'fastify'
import type { WebhooksOptions } from 'fastify-docuware-auth'
import type { DocuWare } from 'fastify-docuware-auth/testing'

/** Where DocuWare delivers. */
export const webhookPath = '/webhooks_demo/docuware'

export function webhooksOptions ({ passphrase }: DocuWare): WebhooksOptions {
  return { sources: { docuware: { preset: 'docuware', secret: passphrase } } }
}

/** The handler sees nothing but what DocuWare has signed. */
export function addWebhookRoutes (app: FastifyInstance): void {
  app.post<{ Body: { Event?: unknown } }>(webhookPath, { config: { webhook: 'docuware' } }, async ({ body: { Event: event }, webhook }) => ({ source: webhook?.source, event }))
}
