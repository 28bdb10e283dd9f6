import { createRequire } from 'node:module'

/** What is used of @sentry/node. */
export type Sentry = Pick<typeof import('@sentry/node'), 'NodeClient' | 'createTransport' | 'defaultStackParser'>

/** An event as the SDK sends it. */
export type SentryEvent = Parameters<InstanceType<Sentry['NodeClient']>['sendEvent']>[0]

/** The optional peer @sentry/node, which is not loaded before it is needed. */
export interface SentrySdk {
  /** Whether it is there, without loading it. */
  installed (): boolean
  load (): Promise<Sentry>
}

/** The SDK that a module finds, if there is one. */
export function sdkFrom (moduleUrl: string): SentrySdk {
  return {
    installed () {
      try {
        createRequire(moduleUrl).resolve('@sentry/node')
        return true
      } catch {
        return false // resolving does nothing else that could fail
      }
    },
    async load () {
      return await import('@sentry/node')
    }
  }
}

/** The SDK beside this package. */
export const installedSdk = sdkFrom(import.meta.url)
