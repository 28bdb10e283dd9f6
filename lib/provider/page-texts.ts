import type { AuthErrorCode } from '../errors.js'
import type { PageLanguage } from '../http/page-language.js'

type ErrorTexts = { readonly [Code in AuthErrorCode]?: string } & { readonly other: string, readonly failed: string }

/** What the pages say in one language. */
export interface PageTexts {
  readonly consentTitle: (client: string) => string
  readonly account: string
  readonly destination: string
  readonly scopes: string
  readonly noScopes: string
  readonly lifetime: (span: string) => string
  readonly revocable: string
  readonly allow: string
  readonly deny: string
  readonly consents: string
  readonly noConsents: string
  readonly since: (date: string) => string
  readonly unknownClient: string
  readonly revoke: string
  readonly revokeNamed: (client: string) => string
  readonly errorTitle: string
  readonly errors: ErrorTexts
}

export const pageTexts: Readonly<Record<PageLanguage, PageTexts>> = {
  en: {
    consentTitle: (client) => `${client} asks for access`,
    account: 'Your account',
    destination: 'You return to',
    scopes: 'It would be able to see',
    noScopes: 'It would see none of your data, and learn no more than that it is you.',
    lifetime: (span) => `The access lasts for ${span}.`,
    revocable: 'You can end it at any time.',
    allow: 'Authorize',
    deny: 'Deny',
    consents: 'What has access to your data',
    noConsents: 'You have given no application access to your data.',
    since: (date) => `Since ${date}`,
    unknownClient: 'An application that is not known any more',
    revoke: 'Revoke',
    revokeNamed: (client) => `Revoke the access of ${client}`,
    errorTitle: 'This cannot go on',
    errors: {
      DWA_OAUTH_UNKNOWN_CLIENT: 'The application that sent you here is not known. Nothing was shared with it.',
      DWA_OAUTH_UNREGISTERED_REDIRECT: 'The application that sent you here named no registered address to return to. Nothing was shared with it.',
      DWA_OAUTH_INVALID_INTERACTION: 'This page was answered already, is too old, or was opened in another browser or by another account. Go back to the application and begin again.',
      DWA_OAUTH_LOGIN_REQUIRED: 'You are not signed in any more. Sign in and begin again.',
      DWA_CROSS_SITE: 'Another site sent this. Nothing was done.',
      DWA_RATE_LIMITED: 'Too many requests came from your address. Try again in a minute.',
      DWA_STORE_UNAVAILABLE: 'The service cannot be reached at the moment. Try again in a minute.',
      other: 'The request is incomplete or malformed. Nothing was shared.',
      failed: 'Something went wrong on our side. Try again later.'
    }
  },
  de: {
    consentTitle: (client) => `${client} bittet um Zugriff`,
    account: 'Ihr Konto',
    destination: 'Zurück geht es zu',
    scopes: 'Die Anwendung könnte sehen',
    noScopes: 'Die Anwendung sähe keine Ihrer Daten und erführe nur, dass Sie es sind.',
    lifetime: (span) => `Der Zugriff gilt für ${span}.`,
    revocable: 'Sie können ihn jederzeit beenden.',
    allow: 'Zustimmen',
    deny: 'Ablehnen',
    consents: 'Was auf Ihre Daten zugreifen darf',
    noConsents: 'Sie haben keiner Anwendung Zugriff auf Ihre Daten gegeben.',
    since: (date) => `Seit ${date}`,
    unknownClient: 'Eine Anwendung, die nicht mehr bekannt ist',
    revoke: 'Widerrufen',
    revokeNamed: (client) => `Den Zugriff von ${client} widerrufen`,
    errorTitle: 'So geht es nicht weiter',
    errors: {
      DWA_OAUTH_UNKNOWN_CLIENT: 'Die Anwendung, von der Sie kommen, ist nicht bekannt. Sie hat nichts von Ihnen erfahren.',
      DWA_OAUTH_UNREGISTERED_REDIRECT: 'Die Anwendung, von der Sie kommen, hat keine registrierte Adresse für den Rückweg genannt. Sie hat nichts von Ihnen erfahren.',
      DWA_OAUTH_INVALID_INTERACTION: 'Diese Seite wurde schon beantwortet, ist zu alt, oder wurde in einem anderen Browser oder mit einem anderen Konto geöffnet. Gehen Sie zurück zur Anwendung und beginnen Sie neu.',
      DWA_OAUTH_LOGIN_REQUIRED: 'Sie sind nicht mehr angemeldet. Melden Sie sich an und beginnen Sie neu.',
      DWA_CROSS_SITE: 'Das kam von einer anderen Website. Es ist nichts geschehen.',
      DWA_RATE_LIMITED: 'Von Ihrer Adresse kamen zu viele Anfragen. Versuchen Sie es in einer Minute noch einmal.',
      DWA_STORE_UNAVAILABLE: 'Der Dienst ist im Augenblick nicht erreichbar. Versuchen Sie es in einer Minute noch einmal.',
      other: 'Die Anfrage ist unvollständig oder fehlerhaft. Es wurde nichts weitergegeben.',
      failed: 'Bei uns ist etwas schiefgegangen. Versuchen Sie es später noch einmal.'
    }
  }
}

const units = [['day', 86_400], ['hour', 3600], ['minute', 60], ['second', 1]] as const

/** A length of time in words: `30 days`, `1,5 Stunden`. */
export function spanInWords (seconds: number, language: string): string {
  const [unit, length] = units.find(([, one]) => seconds >= one) ?? units[3]
  return new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'long', maximumFractionDigits: 1 }).format(seconds / length)
}
