import { deepEqual, equal } from 'node:assert/strict'
import type { Demo } from '../demo.js'
import type { Step } from './step.js'

/** What the audit log has kept of all this. */
export function auditLogSteps ({ app: { auditLog } }: Demo): Step[] {
  return [
    {
      name: 'the audit log lists every change of the validator, and the tokens that were tried',
      async run () {
        const entries = await auditLog.find({ event: 'validator.*' })
        deepEqual(entries.map(({ event, target }) => `${event} ${target?.name}`).toReversed(), [
          'validator.created demo_stored',
          'validator.token_tried demo',
          'validator.token_tried demo',
          'validator.updated demo_renamed',
          'validator.updated demo_stored',
          'validator.deleted demo_stored',
          'validator.created demo_stored'
        ])
      }
    },
    {
      name: 'the audit log lists refused tokens, and none of their text',
      async run () {
        const entries = await auditLog.find({ event: 'jwt.refused' })
        equal(entries.length > 0, true)
        equal(JSON.stringify(entries).includes('not.a.token'), false)
      }
    },
    {
      name: 'the audit log is intact from its first entry to its last',
      async run () {
        const { ok, chains, firstBad } = await auditLog.verify()
        deepEqual({ ok, chains, firstBad }, { ok: true, chains: 1, firstBad: undefined })
      }
    }
  ]
}
