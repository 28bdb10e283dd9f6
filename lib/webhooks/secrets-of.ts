import { errors } from '../errors.js'
import type { SecretFinder } from './webhook-options.js'
import type { WebhookSource } from './webhook-source.js'

/**
 * The secrets that a request may be signed with; none when nobody's signature could be right. A promise only when the app is asked.
 * Rejects with DWA_WEBHOOK_CONFIGURATION when the app's function throws, or answers with something else.
 */
export function secretsOf<Request> ({ secret }: WebhookSource<Request>, request: Request): readonly string[] | Promise<readonly string[]> {
  return typeof secret === 'function' ? find(secret, request) : secret
}

async function find<Request> (secret: SecretFinder<Request>, request: Request): Promise<readonly string[]> {
  const found = await ask(secret, request)
  if (found === null || found === undefined) return []
  const secrets: unknown[] = [found].flat()
  if (secrets.every(isSecret)) return secrets
  throw new errors.DWA_WEBHOOK_CONFIGURATION({ cause: new Error('secret returned neither a text, nor texts, nor null') })
}

async function ask<Request> (secret: SecretFinder<Request>, request: Request): Promise<unknown> {
  try {
    return await secret(request)
  } catch (error) {
    throw new errors.DWA_WEBHOOK_CONFIGURATION({ cause: error })
  }
}

function isSecret (value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
