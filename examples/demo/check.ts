import { adminSteps } from './check/admin.js'
import { auditLogSteps } from './check/audit-log.js'
import { connectorSteps } from './check/connectors.js'
import { cookieSteps } from './check/cookie-mode.js'
import { docuwareSteps } from './check/docuware.js'
import { identityServerSteps } from './check/identity-server.js'
import { ownTokenSteps } from './check/own-tokens.js'
import { providerGrantSteps } from './check/provider-grants.js'
import { providerSignInSteps } from './check/provider-sign-in.js'
import type { Step } from './check/step.js'
import { storySteps } from './check/story.js'
import { storedValidatorSteps } from './check/stored-validator.js'
import { webhookSteps } from './check/webhooks.js'
import type { Demo } from './demo.js'

/** The demo's whole story, in order: later steps build on earlier ones. It needs a demo that has just been started. */
export function checkSteps (demo: Demo): Step[] {
  return [
    ...storySteps(demo),
    ...ownTokenSteps(demo),
    ...identityServerSteps(demo),
    ...cookieSteps(demo),
    ...storedValidatorSteps(demo),
    ...docuwareSteps(demo),
    ...providerSignInSteps(demo),
    ...providerGrantSteps(demo),
    ...connectorSteps(demo),
    ...webhookSteps(demo),
    ...adminSteps(demo),
    ...auditLogSteps(demo)
  ]
}

/** Runs every step and prints one line for each. Returns how many failed. */
export async function runCheck (demo: Demo, print: (line: string) => void): Promise<number> {
  let failed = 0
  for (const { name, run } of checkSteps(demo)) {
    try {
      await run()
      print(`ok   ${name}`)
    } catch (error) {
      failed++
      print(`FAIL ${name}: ${messageOf(error)}`)
    }
  }
  return failed
}

function messageOf (error: unknown): string {
  return error instanceof Error ? error.message.replaceAll(/\s+/g, ' ') : String(error)
}
