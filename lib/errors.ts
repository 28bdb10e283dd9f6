import createError from '@fastify/error'

/**
 * Every error this package raises, by code. Statuses are those of the HTTP answer when the error leaves a route.
 * docs/errors.md lists the same codes with their remedies; a test compares the two.
 */
export const errors = {
  /** An option is missing, unknown or malformed; the message starts with its path. Raised at register. */
  DWA_OPTIONS_INVALID: createError<[path: string, problem: string, options?: ErrorOptions]>('DWA_OPTIONS_INVALID', '%s: %s', 500),
  /** A plugin was registered twice, or two plugins claim the same `config.auth` value. */
  DWA_PLUGIN_ALREADY_REGISTERED: createError<[plugin: string]>('DWA_PLUGIN_ALREADY_REGISTERED', '%s is already registered on this app', 500),
  /** `store` was registered in a child context: it could not protect the routes outside. */
  DWA_STORE_NOT_AT_ROOT: createError('DWA_STORE_NOT_AT_ROOT', 'fastify-docuware-auth/store must be registered on the root, not in a child context: routes outside would stay open', 500),
  /** `config.auth` or `config.webhook` names something no registered plugin serves (security.md 57). */
  DWA_ROUTE_UNCLAIMED: createError<[route: string, key: string, value: string]>('DWA_ROUTE_UNCLAIMED', 'Route %s: no registered plugin serves config.%s %s', 500),
  /** `config.auth` is not a string, or not of the form its plugin documents; or `config.scopes` is no list of scopes, or nothing on the route checks them. */
  DWA_ROUTE_MALFORMED: createError<[route: string, problem: string]>('DWA_ROUTE_MALFORMED', 'Route %s: %s', 500),
  /** `access` found nobody, and the route needs a role. */
  DWA_ACCESS_UNAUTHENTICATED: createError('DWA_ACCESS_UNAUTHENTICATED', 'Sign in to do this', 401),
  /** `access` threw, or returned something that is not a caller: nobody gets in. */
  DWA_ACCESS_FAILED: createError('DWA_ACCESS_FAILED', 'It could not be decided who is calling', 500),
  /** The caller lacks the role. */
  DWA_ACCESS_FORBIDDEN: createError<[role: string]>('DWA_ACCESS_FORBIDDEN', 'This needs the role "%s"', 403),

  /** MongoDB cannot be reached, or has not been reached since the start. */
  DWA_STORE_UNAVAILABLE: createError('DWA_STORE_UNAVAILABLE', 'The database cannot be reached', 503),
  /** The log has entries and the key ring is gone: a new one would leave them and every stored secret unreadable. */
  DWA_STORE_KEYS_MISSING: createError<[collection: string, log: string]>('DWA_STORE_KEYS_MISSING', 'The key ring in %s is missing although %s has entries: restore it from a backup', 500),
  /** None of `secretKeys` unwraps the database's data key. */
  DWA_STORE_WRONG_KEY: createError('DWA_STORE_WRONG_KEY', 'None of store.secretKeys opens this database: its data key was wrapped by another master key', 500),
  /** A stored secret cannot be decrypted: altered, moved between records, or its data key is gone. */
  DWA_STORE_UNREADABLE_SECRET: createError<[field: string]>('DWA_STORE_UNREADABLE_SECRET', 'The stored secret %s cannot be decrypted', 500),
  /** A record, a patch or a filter does not fit the kind's schema; the message names the field. */
  DWA_STORE_INVALID_RECORD: createError<[what: string, problem: string]>('DWA_STORE_INVALID_RECORD', '%s: %s', 400),
  /** Another record of this kind has the same unique value. */
  DWA_STORE_DUPLICATE: createError<[what: string]>('DWA_STORE_DUPLICATE', '%s exists already', 409),
  /** The record was changed by someone else since it was read. */
  DWA_STORE_CONFLICT: createError<[what: string]>('DWA_STORE_CONFLICT', '%s was changed by someone else: read it again', 412),
  /** No such record. */
  DWA_STORE_NOT_FOUND: createError<[what: string]>('DWA_STORE_NOT_FOUND', '%s does not exist', 404),

  /** The log's collection exists and is not capped; the message has the command that mends it. */
  DWA_LOG_NOT_CAPPED: createError<[collection: string, command: string]>('DWA_LOG_NOT_CAPPED', 'The collection %s is not capped. Run: %s', 500),
  /** Something tried to change or delete a log entry. */
  DWA_LOG_IMMUTABLE: createError<[operation: string]>('DWA_LOG_IMMUTABLE', 'The audit log is insert-only: %s is refused', 500),
  /** `log.requireInsertOnly` is set and the log's credential may do more than insert and find. */
  DWA_LOG_PRIVILEGES: createError<[excess: string]>('DWA_LOG_PRIVILEGES', 'The log\'s credential may do more than insert and find: %s', 500),
  /** A filter of `find` or `tail` is not of the documented type; the message names it. */
  DWA_LOG_INVALID_QUERY: createError<[field: string, problem: string]>('DWA_LOG_INVALID_QUERY', '%s: %s', 400),
  /** The log's collection does not exist and may not be created; the message has the command that does. */
  DWA_LOG_MISSING: createError<[collection: string, command: string]>('DWA_LOG_MISSING', 'The collection %s does not exist, and these credentials may not create it. Run: %s', 500),
  /** MongoDB will never take this entry (too large, or a rule of the collection); it is counted in a `log.gap` entry. */
  DWA_LOG_ENTRY_REFUSED: createError<[reason: string]>('DWA_LOG_ENTRY_REFUSED', 'The database refuses the entry: %s', 500),
  /** The app is closing; nothing more is recorded. */
  DWA_LOG_CLOSED: createError('DWA_LOG_CLOSED', 'The audit log is closed', 503),

  /** Never thrown: a check of the command `doctor` failed itself, and its report has this in the check's place. */
  DWA_DOCTOR_CHECK_FAILED: createError<[reason: string]>('DWA_DOCTOR_CHECK_FAILED', 'could not be checked: %s', 500),

  /** A query or a body of the administration API is not what it must be; `field` says which member. */
  DWA_ADMIN_INVALID_REQUEST: createError<[problem: string]>('DWA_ADMIN_INVALID_REQUEST', '%s', 400),
  /** The body cannot be read as JSON. */
  DWA_ADMIN_MALFORMED_JSON: createError('DWA_ADMIN_MALFORMED_JSON', 'The body is no JSON', 400),
  /** The administration API has nothing at that path, or not for that method. */
  DWA_ADMIN_UNKNOWN_ROUTE: createError('DWA_ADMIN_UNKNOWN_ROUTE', 'There is nothing here', 404),
  /** The body is larger than the administration API takes. */
  DWA_ADMIN_BODY_TOO_LARGE: createError('DWA_ADMIN_BODY_TOO_LARGE', 'The body is too large', 413),
  /** A POST or PATCH that is not `application/json`. */
  DWA_ADMIN_NOT_JSON: createError('DWA_ADMIN_NOT_JSON', 'The request must be application/json', 415),
  /** A change without the version that it is meant for (RFC 6585 §3). */
  DWA_ADMIN_PRECONDITION_REQUIRED: createError('DWA_ADMIN_PRECONDITION_REQUIRED', 'The header If-Match is needed, with the ETag of what is to be changed', 428),
  /** Something failed that is nobody's business but the app's. */
  DWA_ADMIN_FAILED: createError('DWA_ADMIN_FAILED', 'The request failed', 500),
  /** A hook of the app refused a request to the administration API; the answer has the status that the hook chose. */
  DWA_ADMIN_REFUSED: createError('DWA_ADMIN_REFUSED', 'The app does not take the request', 403),
  /** As many streams and exports of the log are open as may be. */
  DWA_ADMIN_TOO_MANY_STREAMS: createError('DWA_ADMIN_TOO_MANY_STREAMS', 'As many streams of the log are open as may be: try again later', 503),
  /** A form of the console that was not made for this person in this browser (security.md 13). */
  DWA_ADMIN_FOREIGN_FORM: createError('DWA_ADMIN_FOREIGN_FORM', 'The form is too old, or comes from another browser or account', 403),

  /** A page of another site made a browser send the request. */
  DWA_CROSS_SITE: createError('DWA_CROSS_SITE', 'A request from another site is refused', 403),
  /** More requests from one address than the route takes in a minute. */
  DWA_RATE_LIMITED: createError<[seconds: number]>('DWA_RATE_LIMITED', 'Too many requests: try again in %s s', 429),

  /** A connection was refused; `field` names the field. */
  DWA_DOCUWARE_INVALID_CONNECTION: createError<[problem: string]>('DWA_DOCUWARE_INVALID_CONNECTION', '%s', 400),
  /** The platform names no identity service: an installation before OAuth, or another product. */
  DWA_DOCUWARE_NO_IDENTITY_SERVICE: createError('DWA_DOCUWARE_NO_IDENTITY_SERVICE', 'The platform names no identity service', 502),
  /** What the platform or its identity service says about itself cannot be used. */
  DWA_DOCUWARE_DISCOVERY: createError<[document: string, problem: string, options?: ErrorOptions]>('DWA_DOCUWARE_DISCOVERY', 'Discovery failed: %s %s', 502),
  /** Nobody has authorized the connection yet, or it was revoked. */
  DWA_DOCUWARE_NOT_AUTHORIZED: createError<[name: string]>('DWA_DOCUWARE_NOT_AUTHORIZED', 'Connection "%s" is not authorized yet', 409),
  /** The identity service does not accept the refresh token any more: a person must authorize the connection again. */
  DWA_DOCUWARE_REAUTHORIZE: createError<[name: string]>('DWA_DOCUWARE_REAUTHORIZE', 'Connection "%s" must be authorized again', 409),
  /** The identity service does not accept the client: its secret has expired or is wrong, or the registration is gone. */
  DWA_DOCUWARE_CLIENT_REJECTED: createError<[name: string]>('DWA_DOCUWARE_CLIENT_REJECTED', 'The identity service rejects the client of connection "%s": its secret has expired or is wrong', 502),
  /** No new access token for now; what is stored stays as it was. */
  DWA_DOCUWARE_REFRESH_FAILED: createError<[name: string, reason: string, options?: ErrorOptions]>('DWA_DOCUWARE_REFRESH_FAILED', 'The access token of connection "%s" could not be refreshed: %s', 503),
  /** The callback lacks its parameters. */
  DWA_DOCUWARE_BAD_CALLBACK: createError('DWA_DOCUWARE_BAD_CALLBACK', 'Missing code or state', 400),
  /** The callback's state is unknown, used, expired, of another browser, or of a connection that has changed since. */
  DWA_DOCUWARE_INVALID_STATE: createError('DWA_DOCUWARE_INVALID_STATE', 'The authorization is unknown, used or expired, or was begun in another browser: begin again', 400),
  /** The identity service answered the authorization request with an error, `access_denied` when the person said no. */
  DWA_DOCUWARE_DENIED: createError<[reason: string]>('DWA_DOCUWARE_DENIED', 'The authorization was refused: %s', 400),
  /** The callback names another identity service than the connection's (RFC 9207). */
  DWA_DOCUWARE_FOREIGN_ISSUER: createError('DWA_DOCUWARE_FOREIGN_ISSUER', 'The answer comes from another identity service than that of the connection: begin again', 400),
  /** The authorization code could not be exchanged for tokens. */
  DWA_DOCUWARE_EXCHANGE: createError<[reason: string, options?: ErrorOptions]>('DWA_DOCUWARE_EXCHANGE', 'The authorization code could not be exchanged: %s', 502),
  /** An authorization URL was asked for without a reply to bind it to a browser, and without `unbound: true`. */
  DWA_DOCUWARE_UNBOUND: createError('DWA_DOCUWARE_UNBOUND', 'An authorization URL needs the reply of the browser that will follow it, or unbound: true', 500),
  /** The connection is being synchronized; `since` is when that began. */
  DWA_DOCUWARE_SYNC_RUNNING: createError<[since: string]>('DWA_DOCUWARE_SYNC_RUNNING', 'A sync of the connection has been running since %s', 409),

  DWA_JWT_MISSING_AUTHORIZATION: createError('DWA_JWT_MISSING_AUTHORIZATION', 'The Authorization header is missing', 401),
  DWA_JWT_MISSING_COOKIE: createError('DWA_JWT_MISSING_COOKIE', 'The authorization cookie is missing', 401),
  DWA_JWT_MALFORMED_AUTHORIZATION: createError('DWA_JWT_MALFORMED_AUTHORIZATION', 'The Authorization header is malformed', 401),
  DWA_JWT_INVALID_TOKEN: createError('DWA_JWT_INVALID_TOKEN', 'The token is invalid', 401),
  DWA_JWT_USER_NOT_FOUND: createError('DWA_JWT_USER_NOT_FOUND', 'The token names no user', 401),
  DWA_JWT_PARTNER_NOT_FOUND: createError('DWA_JWT_PARTNER_NOT_FOUND', 'The token names no partner', 401),
  /** Every validator of a chain refused; `errors` lists `{ validator, code }` in chain order. */
  DWA_JWT_COMPOSITE: createError('DWA_JWT_COMPOSITE', 'Every validator of the chain refused the token', 401),
  DWA_JWT_SESSION_MISMATCH: createError('DWA_JWT_SESSION_MISMATCH', 'A request with a signed-in session must not use this route', 401),
  /** A session plugin was registered after `store`, or in a child: the session guard would not see its sessions. */
  DWA_JWT_LATE_SESSION: createError('DWA_JWT_LATE_SESSION', 'A session plugin was registered after fastify-docuware-auth/store or in a child context: register it first, on the root', 500),
  DWA_JWT_INSUFFICIENT_SCOPE: createError('DWA_JWT_INSUFFICIENT_SCOPE', 'The token lacks a required scope', 403),
  DWA_JWT_CROSS_SITE: createError('DWA_JWT_CROSS_SITE', 'A cross-site request must not use the authorization cookie', 403),
  DWA_JWT_VALIDATOR_NOT_FOUND: createError('DWA_JWT_VALIDATOR_NOT_FOUND', 'The route\'s JWT validator does not exist', 500),
  DWA_JWT_AMBIGUOUS_VALIDATOR: createError('DWA_JWT_AMBIGUOUS_VALIDATOR', 'The route names no JWT validator, and several exist', 500),
  /** A stored validator cannot be used as it is (its secret is unreadable, its strategy is not registered …). */
  DWA_JWT_CONFIGURATION: createError('DWA_JWT_CONFIGURATION', 'The route\'s JWT validator is misconfigured', 500),
  /** A validator record was refused; `field` names the field. */
  DWA_JWT_INVALID_VALIDATOR: createError<[problem: string]>('DWA_JWT_INVALID_VALIDATOR', '%s', 400),
  /** `nextValidator` links would form a closed chain. */
  DWA_JWT_CLOSED_CHAIN: createError<[path: string]>('DWA_JWT_CLOSED_CHAIN', 'Validators mustn\'t make a closed chain: %s.', 400),
  /** A validator that others point to by `nextValidator` was to be deleted. */
  DWA_JWT_VALIDATOR_IN_USE: createError<[name: string, by: string]>('DWA_JWT_VALIDATOR_IN_USE', 'Validator %s is the next validator of %s', 409),
  /** A code-declared validator was to be changed at run time. */
  DWA_JWT_READ_ONLY_VALIDATOR: createError<[name: string]>('DWA_JWT_READ_ONLY_VALIDATOR', 'Validator %s is declared in code and cannot be changed at run time', 409),

  /** A parameter of an OAuth request is repeated, missing, too long or not what the standard says (RFC 6749 §5.2). */
  DWA_OAUTH_INVALID_REQUEST: createError<[problem: string]>('DWA_OAUTH_INVALID_REQUEST', '%s', 400),
  /** The client is unknown, or did not authenticate as it must: nothing tells which (RFC 6749 §5.2). */
  DWA_OAUTH_INVALID_CLIENT: createError('DWA_OAUTH_INVALID_CLIENT', 'Client authentication failed', 401),
  /** The code, refresh token or password is wrong, used, expired or not this client's (RFC 6749 §5.2). */
  DWA_OAUTH_INVALID_GRANT: createError<[problem: string]>('DWA_OAUTH_INVALID_GRANT', '%s', 400),
  /** The client may not use this grant, response type or endpoint. */
  DWA_OAUTH_UNAUTHORIZED_CLIENT: createError<[problem: string]>('DWA_OAUTH_UNAUTHORIZED_CLIENT', '%s', 400),
  /** No such grant (RFC 6749 §5.2). */
  DWA_OAUTH_UNSUPPORTED_GRANT_TYPE: createError('DWA_OAUTH_UNSUPPORTED_GRANT_TYPE', 'The grant type is not supported', 400),
  /** No such response type (RFC 6749 §4.1.2.1). */
  DWA_OAUTH_UNSUPPORTED_RESPONSE_TYPE: createError('DWA_OAUTH_UNSUPPORTED_RESPONSE_TYPE', 'The response type is not supported', 400),
  /** A scope is unknown, not the client's, or wider than what was granted. */
  DWA_OAUTH_INVALID_SCOPE: createError<[problem: string]>('DWA_OAUTH_INVALID_SCOPE', '%s', 400),
  /** The resource asked for is not one of `provider.audiences` (RFC 8707 §2). */
  DWA_OAUTH_INVALID_TARGET: createError('DWA_OAUTH_INVALID_TARGET', 'The resource is not known', 400),
  /** The person said no, or may not (RFC 6749 §4.1.2.1). */
  DWA_OAUTH_ACCESS_DENIED: createError('DWA_OAUTH_ACCESS_DENIED', 'The request was denied', 403),
  /** `prompt=none`, and nobody is signed in (OpenID Connect Core §3.1.2.6). */
  DWA_OAUTH_LOGIN_REQUIRED: createError('DWA_OAUTH_LOGIN_REQUIRED', 'Nobody is signed in', 400),
  /** `prompt=none`, and consent would have to be asked for (OpenID Connect Core §3.1.2.6). */
  DWA_OAUTH_CONSENT_REQUIRED: createError('DWA_OAUTH_CONSENT_REQUIRED', 'Consent is needed', 400),
  /** Nobody knows the client of an authorization request, or it is disabled: for a page, never for a redirect (RFC 6749 §4.1.2.1). */
  DWA_OAUTH_UNKNOWN_CLIENT: createError('DWA_OAUTH_UNKNOWN_CLIENT', 'The application that sent you here is not known', 400),
  /** The redirect URI is not a registered one: for a page, never for a redirect (RFC 6749 §4.1.2.1). */
  DWA_OAUTH_UNREGISTERED_REDIRECT: createError('DWA_OAUTH_UNREGISTERED_REDIRECT', 'The application that sent you here named no registered address to return to', 400),
  /** A request object (OpenID Connect Core §3.1.2.6). */
  DWA_OAUTH_REQUEST_NOT_SUPPORTED: createError('DWA_OAUTH_REQUEST_NOT_SUPPORTED', 'The parameter request is not supported', 400),
  /** A request object by reference (OpenID Connect Core §3.1.2.6). */
  DWA_OAUTH_REQUEST_URI_NOT_SUPPORTED: createError('DWA_OAUTH_REQUEST_URI_NOT_SUPPORTED', 'The parameter request_uri is not supported', 400),
  /** A consent form that is unknown, answered, expired, of another browser or another person. */
  DWA_OAUTH_INVALID_INTERACTION: createError('DWA_OAUTH_INVALID_INTERACTION', 'This form is unknown, was answered already, has expired, or belongs to another browser: begin again', 400),
  /** No token was presented (RFC 6750 §3: a bare challenge). */
  DWA_OAUTH_MISSING_TOKEN: createError('DWA_OAUTH_MISSING_TOKEN', 'An access token is needed', 401),
  /** The token is unknown, expired or revoked: nothing tells which (RFC 6750 §3.1). */
  DWA_OAUTH_INVALID_TOKEN: createError('DWA_OAUTH_INVALID_TOKEN', 'The access token is invalid or expired', 401),
  /** The token lacks a scope (RFC 6750 §3.1). */
  DWA_OAUTH_INSUFFICIENT_SCOPE: createError('DWA_OAUTH_INSUFFICIENT_SCOPE', 'The access token lacks a required scope', 403),
  /** `otherinfo` without a model, or with an unknown one. */
  DWA_OAUTH_INVALID_MODEL: createError('DWA_OAUTH_INVALID_MODEL', 'The model is missing or unknown', 400),

  /** A client record was refused; `field` names the field. */
  DWA_PROVIDER_INVALID_CLIENT: createError<[problem: string]>('DWA_PROVIDER_INVALID_CLIENT', '%s', 400),
  /** A scope record was refused; `field` names the field. */
  DWA_PROVIDER_INVALID_SCOPE: createError<[problem: string]>('DWA_PROVIDER_INVALID_SCOPE', '%s', 400),
  /** A scope that clients list was to be removed, or its code to be changed. */
  DWA_PROVIDER_SCOPE_IN_USE: createError<[code: string]>('DWA_PROVIDER_SCOPE_IN_USE', 'The scope "%s" is listed by a client', 409),
  /** A signing key cannot be made, imported or used. */
  DWA_PROVIDER_INVALID_KEY: createError<[problem: string]>('DWA_PROVIDER_INVALID_KEY', '%s', 400),
  /** A JWT access token cannot be signed: the client's key is missing or unreadable, or the token would be too long. */
  DWA_PROVIDER_SIGNING_FAILED: createError<[client: string, problem: string]>('DWA_PROVIDER_SIGNING_FAILED', 'No token can be signed for the client "%s": %s', 500),
  /** What `provider.owner` or a model of `provider.resources` did or returned; `cause` has more. */
  DWA_PROVIDER_OWNER_FAILED: createError<[what: string, options?: ErrorOptions]>('DWA_PROVIDER_OWNER_FAILED', '%s', 500),

  /** A sign-in's address, or its callback, is not what it must be. */
  DWA_SIGN_IN_INVALID_REQUEST: createError<[problem: string]>('DWA_SIGN_IN_INVALID_REQUEST', '%s', 400),
  /** The identity provider cannot be reached, or what it says cannot be used. */
  DWA_SIGN_IN_PROVIDER: createError<[document: string, problem: string, options?: ErrorOptions]>('DWA_SIGN_IN_PROVIDER', 'The identity provider cannot be used: its %s %s', 502),
  /** The callback's state is unknown, used, expired or of another browser. */
  DWA_SIGN_IN_INVALID_STATE: createError('DWA_SIGN_IN_INVALID_STATE', 'The sign-in is unknown, used or expired, or was begun in another browser: begin again', 400),
  /** The identity provider answered with an error, `access_denied` when the person said no. */
  DWA_SIGN_IN_DENIED: createError<[reason: string]>('DWA_SIGN_IN_DENIED', 'The sign-in was refused: %s', 403),
  /** The callback names another identity provider (RFC 9207). */
  DWA_SIGN_IN_FOREIGN_ISSUER: createError('DWA_SIGN_IN_FOREIGN_ISSUER', 'The answer comes from another identity provider: begin again', 400),
  /** The code could not be exchanged for a token. */
  DWA_SIGN_IN_EXCHANGE: createError<[reason: string]>('DWA_SIGN_IN_EXCHANGE', 'The identity provider gave no token: %s', 502),
  /** The identity provider does not say who signed in. */
  DWA_SIGN_IN_IDENTITY: createError<[claim: string]>('DWA_SIGN_IN_IDENTITY', 'The identity provider does not say who signed in: there is no usable claim "%s"', 502),
  /** `signIn.roles.of` threw, or returned something that is no list of roles: nobody is signed in. */
  DWA_SIGN_IN_ROLES: createError<[options?: ErrorOptions]>('DWA_SIGN_IN_ROLES', 'It could not be decided what the person may do', 500),

  /** Telemetry settings were refused; `field` names the field. */
  DWA_TELEMETRY_INVALID_SETTINGS: createError<[problem: string]>('DWA_TELEMETRY_INVALID_SETTINGS', '%s', 400),

  /** A connector's API answered with no success; `status`, `url` (without query) and `body` (at most 2 KB, credentials masked) say more. */
  DWA_CONNECTOR_HTTP: createError<[method: string, url: string, status: number]>('DWA_CONNECTOR_HTTP', '%s %s was answered with status %s', 502),
  /** No answer from a connector's API in time. */
  DWA_CONNECTOR_TIMEOUT: createError<[ms: number]>('DWA_CONNECTOR_TIMEOUT', 'The API did not answer within %s ms', 504),
  /** No connection to a connector's API, or it broke. */
  DWA_CONNECTOR_UNREACHABLE: createError<[reason: string, options?: ErrorOptions]>('DWA_CONNECTOR_UNREACHABLE', 'The API cannot be reached: %s', 503),
  /** A path, redirect or strategy leads to another origin than the connector's. */
  DWA_CONNECTOR_FOREIGN_ORIGIN: createError<[origin: string, target: string]>('DWA_CONNECTOR_FOREIGN_ORIGIN', 'The credentials for %s are not sent to %s', 502),
  /** An argument of a connector's request cannot be used. */
  DWA_CONNECTOR_INVALID_REQUEST: createError<[problem: string]>('DWA_CONNECTOR_INVALID_REQUEST', '%s', 400),
  /** A request with a stream for a body must be sent again; `cause` says why. */
  DWA_CONNECTOR_BODY_USED: createError<[options?: ErrorOptions]>('DWA_CONNECTOR_BODY_USED', 'The request has to be sent again and its body is a stream that was read already: pass a Buffer, a Blob or a function that opens the stream', 502),
  /** A connector's API said JSON and sent something else. */
  DWA_CONNECTOR_NOT_JSON: createError<[found: string, status: number]>('DWA_CONNECTOR_NOT_JSON', 'The API answered %s (status %s) where JSON was expected', 502),
  /** The answer of a connector's API is too large. */
  DWA_CONNECTOR_UNEXPECTED_ANSWER: createError<[found: string]>('DWA_CONNECTOR_UNEXPECTED_ANSWER', 'The API answered %s', 502),
  /** The access token has ended, and there is no refresh token: somebody must authorize the connector again. */
  DWA_CONNECTOR_NO_REFRESH_TOKEN: createError<[name: string]>('DWA_CONNECTOR_NO_REFRESH_TOKEN', 'Connector "%s" has no refresh token: authorize it again', 409),
  /** Nobody has authorized the connector yet. */
  DWA_CONNECTOR_NOT_AUTHORIZED: createError<[name: string]>('DWA_CONNECTOR_NOT_AUTHORIZED', 'Connector "%s" has not been authorized', 409),
  /** The refresh token is not accepted any more. */
  DWA_CONNECTOR_REAUTHORIZE: createError<[name: string]>('DWA_CONNECTOR_REAUTHORIZE', 'Connector "%s" must be authorized again', 409),
  /** The authorization server rejects the client. */
  DWA_CONNECTOR_CLIENT_REJECTED: createError<[name: string]>('DWA_CONNECTOR_CLIENT_REJECTED', 'The authorization server of connector "%s" rejects the client: its secret has expired or is wrong', 502),
  /** No new access token for now. */
  DWA_CONNECTOR_REFRESH_FAILED: createError<[name: string, reason: string, options?: ErrorOptions]>('DWA_CONNECTOR_REFRESH_FAILED', 'The access token of connector "%s" could not be refreshed: %s', 503),
  /** The callback lacks its code or state, or has one twice. */
  DWA_CONNECTOR_BAD_CALLBACK: createError('DWA_CONNECTOR_BAD_CALLBACK', 'Missing code or state', 400),
  /** The authorization is unknown, used or expired, was begun in another browser or for another connector, or the connector has changed since. */
  DWA_CONNECTOR_INVALID_STATE: createError('DWA_CONNECTOR_INVALID_STATE', 'Invalid session', 400),
  /** The person, or the authorization server, refused. */
  DWA_CONNECTOR_DENIED: createError<[error: string]>('DWA_CONNECTOR_DENIED', 'The authorization was refused: %s', 400),
  /** The callback's `iss` is another authorization server. */
  DWA_CONNECTOR_FOREIGN_ISSUER: createError('DWA_CONNECTOR_FOREIGN_ISSUER', 'The answer comes from another authorization server: begin again', 400),
  /** The authorization code could not be exchanged for tokens. */
  DWA_CONNECTOR_EXCHANGE: createError<[reason: string, options?: ErrorOptions]>('DWA_CONNECTOR_EXCHANGE', 'The authorization code could not be exchanged for tokens: %s', 502),
  /** An authorization URL of a connector was asked for without a reply to bind it to a browser, and without `unbound: true`. */
  DWA_CONNECTOR_UNBOUND: createError('DWA_CONNECTOR_UNBOUND', 'An authorization URL needs the reply of the browser that will follow it, or unbound: true', 500),
  /** A stored connector was refused; `field` names the field. */
  DWA_CONNECTOR_INVALID: createError<[problem: string]>('DWA_CONNECTOR_INVALID', '%s', 400),
  /** A connector declared in code was to be changed, or its secrets read, at run time. */
  DWA_CONNECTOR_READ_ONLY: createError<[name: string]>('DWA_CONNECTOR_READ_ONLY', 'Connector "%s" is declared in code and cannot be changed at run time', 409),
  /** An authorization of a connector whose strategy is not oauth2. */
  DWA_CONNECTOR_NOT_OAUTH: createError<[name: string]>('DWA_CONNECTOR_NOT_OAUTH', 'Connector "%s" needs no authorization: its strategy is not oauth2', 409),
  /** The name is both declared and stored, or a stored strategy cannot be read: the connector cannot be used. */
  DWA_CONNECTOR_CONFIGURATION: createError<[name: string, problem: string]>('DWA_CONNECTOR_CONFIGURATION', 'Connector "%s" cannot be used: %s', 500),

  /** A webhook source was refused; `field` names the field. */
  DWA_WEBHOOK_INVALID_SOURCE: createError<[problem: string]>('DWA_WEBHOOK_INVALID_SOURCE', '%s', 400),
  /** A code-declared webhook source was to be changed, or its secrets read, at run time. */
  DWA_WEBHOOK_READ_ONLY_SOURCE: createError<[name: string]>('DWA_WEBHOOK_READ_ONLY_SOURCE', 'Webhook source "%s" is declared in code and cannot be changed at run time', 409),
  /** The source of the route is both declared and stored, its stored secret cannot be read, or the app's function did not find one; `cause` says which. */
  DWA_WEBHOOK_CONFIGURATION: createError<[options?: ErrorOptions]>('DWA_WEBHOOK_CONFIGURATION', 'The route\'s webhook source cannot be used', 500),
  /** The same delivery is being handled at this moment, here or by another process. */
  DWA_WEBHOOK_IN_PROGRESS: createError('DWA_WEBHOOK_IN_PROGRESS', 'The delivery is being handled: try again later', 503),
  /** The sender went away before the body was complete. */
  DWA_WEBHOOK_ABORTED: createError('DWA_WEBHOOK_ABORTED', 'The body of the request is incomplete', 400),

  /** DocuWare refused a request; `status`, `docuwareMessage`, `method` and `path` are on the error (isDocuWareHttpError narrows to it). */
  DWA_DOCUWARE_HTTP: createError<[status: number, message: string]>('DWA_DOCUWARE_HTTP', 'DocuWare answered %s%s', 502),
  /** DocuWare has no free licence for the connection's user. A new token would not help. */
  DWA_DOCUWARE_LICENCES: createError<[message: string]>('DWA_DOCUWARE_LICENCES', 'DocuWare has no free licence: %s', 503),
  /** The old logon by user name and password is gone from this DocuWare. */
  DWA_DOCUWARE_LEGACY_LOGON: createError<[path: string]>('DWA_DOCUWARE_LEGACY_LOGON', 'DocuWare has no logon at %s any more: the connection\'s token is all a request needs', 502),
  /** HTML, XML or something else came where JSON was expected; the message names it. */
  DWA_DOCUWARE_NOT_JSON: createError<[found: string, status: number]>('DWA_DOCUWARE_NOT_JSON', 'DocuWare answered %s (status %s) where JSON was expected', 502),
  /** The answer is JSON of another shape than documented, or too large. */
  DWA_DOCUWARE_UNEXPECTED_ANSWER: createError<[found: string]>('DWA_DOCUWARE_UNEXPECTED_ANSWER', 'DocuWare answered %s', 502),
  /** No connection, or it broke before the answer was complete. */
  DWA_DOCUWARE_UNREACHABLE: createError<[reason: string, options?: ErrorOptions]>('DWA_DOCUWARE_UNREACHABLE', 'DocuWare cannot be reached: %s', 503),
  /** No answer in time; for files: nothing came, or was taken, for that long. */
  DWA_DOCUWARE_TIMEOUT: createError<[ms: number]>('DWA_DOCUWARE_TIMEOUT', 'DocuWare did not answer within %s ms', 504),
  /** A link, a redirect or a path leads away from the connection's platform: the token is not sent there. */
  DWA_DOCUWARE_FOREIGN_ORIGIN: createError<[origin: string, target: string]>('DWA_DOCUWARE_FOREIGN_ORIGIN', 'The token for %s is not sent to %s', 502),
  /** The request would have to be sent again, and its body was a stream that has been read; `cause` is why. */
  DWA_DOCUWARE_BODY_USED: createError<[options?: ErrorOptions]>('DWA_DOCUWARE_BODY_USED', 'The request has to be sent again and its body is a stream that was read already: pass a Buffer, a Blob or a function that opens the stream', 502),
  /** A request to DocuWare that cannot be made as it was asked for. */
  DWA_DOCUWARE_INVALID_REQUEST: createError<[problem: string]>('DWA_DOCUWARE_INVALID_REQUEST', '%s', 400),
  /** The job queue threw, rejected, or did not answer in time; `cause` says which. */
  DWA_DOCUWARE_QUEUE_REFUSED: createError('DWA_DOCUWARE_QUEUE_REFUSED', 'The job queue did not take the job', 503),
  /** The app is closing: it neither enqueues nor runs jobs. */
  DWA_DOCUWARE_QUEUE_CLOSED: createError('DWA_DOCUWARE_QUEUE_CLOSED', 'The app is closing, and leaves the job to another process', 503),
  /** The job queue brought a job whose data is no object. */
  DWA_DOCUWARE_INVALID_JOB: createError('DWA_DOCUWARE_INVALID_JOB', 'The job has no data', 500)
} as const

/** The `code` of every error this package raises. */
export type AuthErrorCode = keyof typeof errors

/** An error of this package, narrowed by its code. */
export type AuthError<Code extends AuthErrorCode = AuthErrorCode> = InstanceType<(typeof errors)[Code]> & { code: Code }

/** Whether `error` is one of this package's, or the one with the given code. */
export function isAuthError<Code extends AuthErrorCode = AuthErrorCode> (error: unknown, code?: Code): error is AuthError<Code> {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return false
  return code === undefined ? Object.hasOwn(errors, error.code) : error.code === code
}
