import { errors, isAuthError } from '../errors.js'
import type { PageLanguage } from '../http/page-language.js'
import { foreignPage, html, renderPage, type RenderedPage } from '../http/page.js'
import type { Logger } from '../store/logger.js'
import type { ProviderOptions } from './provider-options.js'
import { pageTexts, spanInWords } from './page-texts.js'

/** What the consent page shows. All of it is text: templates of the app's own must escape it. */
export interface ConsentPage {
  /** `en` or `de`. */
  readonly language: string
  readonly clientName: string
  readonly account: string
  /** Each a checkbox, checked, with the name `scope` and its code as the value. */
  readonly scopes: ReadonlyArray<{ readonly code: string, readonly name: string, readonly description: string | null }>
  /** Seconds that the access lasts; refresh tokens, where there are some. */
  readonly lifetime: number
  /** Where the client lives: the host, or the scheme, of its redirect URI. */
  readonly destination: string
  /** Where the form goes, by POST. Its buttons have the name `decision` and the value `allow` or `deny`. */
  readonly action: string
  /** Hidden fields that the form must have. */
  readonly fields: Readonly<Record<string, string>>
}

/** What the page of a person's consents shows. */
export interface ConsentsPage {
  readonly language: PageLanguage
  /** `clientName` is null for a client that is gone or disabled; `action` is where its form goes. */
  readonly consents: ReadonlyArray<{ readonly clientName: string | null, readonly scopes: readonly string[], readonly since: Date, readonly action: string }>
  readonly fields: Readonly<Record<string, string>>
}

type Templates = NonNullable<ProviderOptions['pages']>

/** The pages that people see, in place of which the app may have its own. */
export class ProviderPages {
  readonly #templates: Templates
  readonly #logger: Logger

  constructor (templates: Templates, logger: Logger) {
    this.#templates = templates
    this.#logger = logger
  }

  /** @param redirectUri where the answer leads @throws DWA_PROVIDER_OWNER_FAILED when the app's template does */
  consent (page: ConsentPage & { readonly language: PageLanguage }, redirectUri: string): RenderedPage {
    const { consent } = this.#templates
    const formTargets = formTargetsOf(redirectUri)
    return consent === undefined ? consentPage(page, formTargets) : foreignPage(render('consent', () => consent(page)), formTargets)
  }

  /** What a person is told of an error: its message never, unless it is written for them. */
  error (error: unknown, language: PageLanguage): RenderedPage {
    const texts = pageTexts[language]
    const code = isAuthError(error) ? error.code : null
    const message = (code === null ? undefined : texts.errors[code]) ?? (statusOf(error) >= 500 ? texts.errors.failed : texts.errors.other)
    const { error: template } = this.#templates
    if (template !== undefined) {
      try {
        return foreignPage(render('error', () => template({ title: texts.errorTitle, message, language })), [])
      } catch (failure) {
        this.#logger.error({ err: failure }, 'the page for an error failed')
      }
    }
    return renderPage({ title: texts.errorTitle, language, formTargets: [], body: html`<p>${message}</p>${code === null ? null : html`<p><code>${code}</code></p>`}` })
  }

  consents ({ language, consents, fields }: ConsentsPage): RenderedPage {
    const texts = pageTexts[language]
    const day = new Intl.DateTimeFormat(language, { dateStyle: 'long', timeZone: 'UTC' })
    return renderPage({
      title: texts.consents,
      language,
      formTargets: [],
      body: consents.length === 0
        ? html`<p>${texts.noConsents}</p>`
        : html`<ul>${consents.map(({ clientName, scopes, since, action }) => html`
<li><h2><bdi>${clientName ?? texts.unknownClient}</bdi></h2>
<p>${scopes.length === 0 ? null : html`${scopes.join(', ')}<br>`}<time datetime="${since.toISOString().slice(0, 10)}">${texts.since(day.format(since))}</time></p>
<form method="post" action="${action}">${hidden(fields)}<button class="plain" aria-label="${texts.revokeNamed(clientName ?? texts.unknownClient)}">${texts.revoke}</button></form></li>`)}
</ul>`
    })
  }
}

function consentPage (page: ConsentPage & { readonly language: PageLanguage }, formTargets: readonly string[]): RenderedPage {
  const { language, clientName, account, scopes, lifetime, destination, action, fields } = page
  const texts = pageTexts[language]
  return renderPage({
    title: texts.consentTitle(clientName),
    language,
    formTargets,
    body: html`<dl><dt>${texts.account}</dt><dd><bdi>${account}</bdi></dd><dt>${texts.destination}</dt><dd><bdi>${destination}</bdi></dd></dl>
<form method="post" action="${action}">${hidden(fields)}
${scopes.length === 0
  ? html`<p>${texts.noScopes}</p>`
  : html`<fieldset><legend>${texts.scopes}</legend>
${scopes.map(({ code, name, description }) => html`<label><input type="checkbox" name="scope" value="${code}" checked><span><b>${name}</b>${description === null ? null : html`<small>${description}</small>`}</span></label>
`)}</fieldset>`}
<p>${texts.lifetime(spanInWords(lifetime, language))} ${texts.revocable}</p>
<div class="actions"><button name="decision" value="allow">${texts.allow}</button><button class="plain" name="decision" value="deny">${texts.deny}</button></div>
</form>`
  })
}

/** How a redirect URI is shown to people: what of it somebody owns. */
export function destinationOf (redirectUri: string): string {
  const { host, protocol } = new URL(redirectUri)
  return /^https?:$/.test(protocol) ? host : protocol.slice(0, -1)
}

/** The answer is a redirect to the client, which may lead on to another host of its own: browsers hold the form responsible for all of it. */
function formTargetsOf (redirectUri: string): string[] {
  return [new URL(redirectUri).protocol]
}

function hidden (fields: Readonly<Record<string, string>>): ReturnType<typeof html>[] {
  return Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)
}

function render (name: keyof Templates, template: () => string): string {
  try {
    const page: unknown = template()
    if (typeof page === 'string') return page
  } catch (error) {
    throw new errors.DWA_PROVIDER_OWNER_FAILED(`provider.pages.${name} failed`, { cause: error })
  }
  throw new errors.DWA_PROVIDER_OWNER_FAILED(`provider.pages.${name} returned no text`)
}

/** The status that an error is answered with. */
export function statusOf (error: unknown): number {
  return typeof error === 'object' && error !== null && 'statusCode' in error && typeof error.statusCode === 'number' && error.statusCode >= 400 ? error.statusCode : 500
}
