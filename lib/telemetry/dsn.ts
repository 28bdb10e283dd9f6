import { isLoopbackHost } from '../http/private-address.js'

/** A subset of what the SDK takes for a DSN: it prints what it refuses, secrets included. @see https://develop.sentry.dev/sdk/overview/#parsing-the-dsn */
const form = /^https?:\/\/\w{1,128}(?::\w{0,128})?@(?:[\w.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?(?:\/[\w.~-]{1,128}){0,8}\/\d{1,20}$/

/** What is wrong with a Sentry DSN, in words that do not repeat it, or null: `https://<key>@<host>/<project>`, http on loopback only. */
export function findDsnProblem (text: string): string | null {
  if (!form.test(text) || !URL.canParse(text)) return 'is not a Sentry DSN (https://<key>@<host>/<project>)'
  const { protocol, hostname } = new URL(text)
  return protocol === 'https:' || isLoopbackHost(hostname) ? null : 'must be https, or http on loopback'
}
