/** What the consent page shows. All of it is text: templates of the app's own must escape it. */
export interface ConsentPage {
  /** `en` or `de`. */
  readonly language: string
  readonly clientName: string
  readonly account: string
  readonly scopes: ReadonlyArray<{ readonly code: string, readonly name: string, readonly description: string | null }>
  /** Seconds that the access lasts; refresh tokens, where there are some. */
  readonly lifetime: number
  /** Where the form goes. */
  readonly action: string
  /** Hidden fields that the form must have. */
  readonly fields: Readonly<Record<string, string>>
}
