import { createHmac } from 'node:crypto'

/** Tells the deliveries of one secret from those of another, without saying what it is. */
export function secretId (secret: string): string {
  return createHmac('sha256', secret).update('fastify-docuware-auth/webhook-secret/v1\n').digest('base64url')
}
