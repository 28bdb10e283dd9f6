import { deepEqual, equal } from 'node:assert/strict'
import type { Demo } from '../demo.js'
import { webhookPath } from '../webhooks.js'
import type { Step } from './step.js'

/** DocuWare says what has happened, and signs it. */
export function webhookSteps ({ app: { auditLog }, url, docuWare }: Demo): Step[] {
  const to = url + webhookPath
  return [
    {
      name: 'a delivery that DocuWare has signed is accepted',
      async run () {
        for (const spaced of [false, true]) {
          const { status, text } = await docuWare.sendWebhook(to, undefined, { spaced })
          deepEqual([status, JSON.parse(text)], [200, { source: 'docuware', event: 'DocumentStored' }])
        }
      }
    },
    {
      name: 'a forged one is refused with 401, and the log says so',
      async run () {
        for (const signature of ['wrong', 'malformed', 'missing'] as const) {
          const { status, text } = await docuWare.sendWebhook(to, undefined, { signature })
          deepEqual([status, text], [401, '{"error":"Invalid signature"}'], signature)
        }
        equal((await auditLog.find({ event: 'webhook.refused' })).length > 0, true)
      }
    }
  ]
}
