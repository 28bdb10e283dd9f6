import type { Html } from '../../http/page.js'
import type { PageLanguage } from '../../http/page-language.js'
import type { TokenExplanation } from '../../jwt/token-explanation.js'
import type { Caller } from '../../store/access.js'
import type { ChangeNote } from '../../store/managed-records.js'
import type { ConsoleTexts } from './texts.js'

/** One request of a person to a page. */
export interface Visit {
  /** `:id` of the path; empty where there is none. */
  readonly key: string
  /** As it came: nothing of it is checked. */
  readonly query: Readonly<Record<string, unknown>>
  /** What a form sent; empty for a GET. */
  readonly form: ReadonlyMap<string, string>
  readonly person: Caller
  readonly note: ChangeNote
  readonly language: PageLanguage
  readonly texts: ConsoleTexts
  /** What every form must bring back. */
  readonly csrf: string
  /** The address of a path of the console, as browsers see it. */
  readonly link: (path: string) => string
  /** Where this browser authorizes a record, whence it comes back to that path of the console. */
  readonly authorizationUrl: (kind: 'connections' | 'connectors', id: string, returnTo: string) => Promise<string>
  readonly explainToken: (validator: string, token: string) => Promise<TokenExplanation>
}

/** A page of the console, without what all of them have. */
export interface ConsolePage {
  readonly title: string
  readonly body: Html
  /** Default 200. */
  readonly status?: number
  /** The entry of the menu that it belongs to. */
  readonly menu?: string
  /** Where its forms may lead beside the console, as CSP source expressions. */
  readonly formTargets?: readonly string[]
}

/** A page, or where the browser goes next. */
export type ConsoleReply = ConsolePage | { readonly location: string }

export interface ConsoleRoute {
  readonly method: 'GET' | 'POST'
  /** Below the console's prefix. */
  readonly path: string
  /** One of them is needed. */
  readonly roles: readonly string[]
  readonly run: (visit: Visit) => Promise<ConsoleReply>
}

/** A sentence about what was just done, as a page after a redirect says it: `?done=saved`. */
export function doneOf ({ query, texts }: Pick<Visit, 'query' | 'texts'>): string | null {
  const { done } = query
  const known = Object.entries(texts.done).find(([name]) => name === done)
  return known?.[1] ?? null
}
