/** A bearer token and the platform it may be sent to. */
export interface Bearer {
  /** Base URL of the platform, such as `https://acme.docuware.cloud/DocuWare/Platform`, without a trailing slash. */
  readonly platformUrl: string
  readonly accessToken: string
  /** What DocuWare counts calls by; clients of one organization share its limits. */
  readonly organization?: string
}

/** Gives and renews the access token of one connection. */
export interface BearerAccess {
  /** A token that is good for now; at once, without a promise, when one is at hand. */
  current (): Bearer | Promise<Bearer>
  /**
   * The platform answered 401 to `refused`: a newer one.
   * @throws DWA_DOCUWARE_REAUTHORIZE when there is none without a person
   */
  renew (refused: Bearer): Promise<Bearer>
  /** The platform answered 401 to what `renew` has just given, too. */
  rejected? (renewed: Bearer): void
}
