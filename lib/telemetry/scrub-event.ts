import type { Scrubber } from './scrubber.js'
import type { SentryEvent } from './sentry-sdk.js'

type Exception = NonNullable<NonNullable<SentryEvent['exception']>['values']>[number]
type Frame = NonNullable<NonNullable<Exception['stacktrace']>['frames']>[number]
type Breadcrumb = NonNullable<SentryEvent['breadcrumbs']>[number]
type Fields = { readonly [name: string]: unknown }

const eventId = /^[0-9a-f]{32}$/

/**
 * A copy of an event with every text scrubbed. Only what is named here is copied: local variables, source lines, headers, cookies, bodies, query strings,
 * the host's name and attachments never are, and the user only if personal data may be sent.
 */
export function scrubEvent (event: SentryEvent, scrubber: Scrubber, sendPii: boolean): SentryEvent {
  const { event_id: id, sdk, user, request } = event
  return {
    ...(id !== undefined && eventId.test(id) ? { event_id: id } : {}),
    ...kept(event, ['timestamp', 'level', 'platform']),
    ...texts(event, ['message', 'logger', 'release', 'environment', 'transaction'], scrubber),
    ...(sdk?.settings === undefined ? {} : { sdk: { settings: { infer_ip: 'never' as const } } }),
    ...(request === undefined ? {} : { request: texts(request, ['method', 'url'], scrubber) }),
    ...(event.exception === undefined ? {} : { exception: { values: (event.exception.values ?? []).map((one) => scrubException(one, scrubber)) } }),
    ...(event.breadcrumbs === undefined ? {} : { breadcrumbs: event.breadcrumbs.map((one) => scrubBreadcrumb(one, scrubber)) }),
    ...(event.tags === undefined ? {} : { tags: Object.fromEntries(Object.entries(event.tags).map(([name, value]) => [scrubber.text(name), scrubber.text(String(value), name)])) }),
    ...(event.contexts === undefined ? {} : { contexts: contexts(event.contexts, scrubber) }),
    ...(event.extra === undefined ? {} : { extra: scrubber.members(event.extra) }),
    ...(user === undefined || !sendPii ? {} : { user: texts(user, ['id', 'username', 'email', 'ip_address'], scrubber) })
  }
}

function scrubException (exception: Exception, scrubber: Scrubber): Exception {
  const { mechanism, stacktrace } = exception
  return {
    ...texts(exception, ['type', 'value'], scrubber),
    ...(mechanism === undefined ? {} : { mechanism: { type: scrubber.text(mechanism.type), ...kept(mechanism, ['handled']) } }),
    ...(stacktrace === undefined ? {} : { stacktrace: { frames: (stacktrace.frames ?? []).map((frame) => scrubFrame(frame, scrubber)) } })
  }
}

function scrubFrame (frame: Frame, scrubber: Scrubber): Frame {
  return { ...texts(frame, ['function', 'filename'], scrubber), ...kept(frame, ['lineno', 'colno', 'in_app']) }
}

function scrubBreadcrumb (breadcrumb: Breadcrumb, scrubber: Scrubber): Breadcrumb {
  const { data } = breadcrumb
  return { ...texts(breadcrumb, ['type', 'category', 'message'], scrubber), ...kept(breadcrumb, ['level', 'timestamp']), ...(data === undefined ? {} : { data: scrubber.members(data) }) }
}

function contexts (given: Fields, scrubber: Scrubber): NonNullable<SentryEvent['contexts']> {
  return Object.fromEntries(Object.entries(given).map(([name, context]) => [scrubber.text(name), typeof context === 'object' && context !== null ? scrubber.members(context) : {}]))
}

/** Those of the named members that are texts or numbers, as scrubbed texts. */
function texts<Name extends string> (from: { readonly [Field in Name]?: unknown }, names: readonly Name[], scrubber: Scrubber): { [Field in Name]?: string } {
  const found: { [Field in Name]?: string } = {}
  for (const name of names) {
    const value = from[name]
    if (typeof value === 'string' || typeof value === 'number') found[name] = scrubber.text(String(value), name)
  }
  return found
}

/** Those of the named members that are there, as they are. */
function kept<Fields extends object, Name extends keyof Fields> (from: Fields, names: readonly Name[]): { [Field in Name]?: Fields[Field] } {
  const found: { [Field in Name]?: Fields[Field] } = {}
  for (const name of names) if (from[name] !== undefined) found[name] = from[name]
  return found
}
