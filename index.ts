import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { errors, isAuthError } from './lib/errors.js'
import { checkOptions } from './lib/options.js'
import { umbrellaOptionsSchema } from './lib/plugin-options.js'
import { admin, type AdminOptions } from './plugins/admin.js'
import { connectors, type ConnectorsOptions } from './plugins/connectors.js'
import { docuware, type DocuwareOptions } from './plugins/docuware.js'
import { jwt, type JwtOptions } from './plugins/jwt.js'
import { provider, type ProviderOptions } from './plugins/provider.js'
import { signIn, type SignInOptions } from './plugins/sign-in.js'
import { store, type StoreOptions } from './plugins/store.js'
import { telemetry, type TelemetryOptions } from './plugins/telemetry.js'
import { webhooks, type WebhooksOptions } from './plugins/webhooks.js'

/** Options of the umbrella plugin: each key registers the plugin of that name, in this order. */
export interface DocuwareAuthOptions {
  /** External base URL of the app: every redirect URI and trusted origin is derived from it, never from a Host header. */
  readonly publicUrl?: string
  readonly store: Omit<StoreOptions, 'publicUrl'>
  readonly docuware?: DocuwareOptions
  readonly provider?: ProviderOptions
  readonly jwt?: JwtOptions
  readonly connectors?: ConnectorsOptions
  readonly webhooks?: WebhooksOptions
  readonly telemetry?: TelemetryOptions
  readonly signIn?: SignInOptions
  readonly admin?: AdminOptions
}

async function umbrella (app: FastifyInstance, options: DocuwareAuthOptions): Promise<void> {
  checkOptions('docuwareAuth', umbrellaOptionsSchema, options)
  await app.register(store, { ...options.store, ...(options.publicUrl === undefined ? {} : { publicUrl: options.publicUrl }) })
  if (options.docuware !== undefined) await app.register(docuware, options.docuware)
  if (options.provider !== undefined) await app.register(provider, options.provider)
  if (options.jwt !== undefined) await app.register(jwt, options.jwt)
  if (options.connectors !== undefined) await app.register(connectors, options.connectors)
  if (options.webhooks !== undefined) await app.register(webhooks, options.webhooks)
  if (options.telemetry !== undefined) await app.register(telemetry, options.telemetry)
  if (options.signIn !== undefined) await app.register(signIn, options.signIn)
  if (options.admin !== undefined) await app.register(admin, options.admin) // it has routes for what is there
}

/** Registers `store` and every plugin that is configured. */
const docuwareAuth = Object.assign(fp(umbrella, { name: 'fastify-docuware-auth', fastify: '5.x' }), { admin, connectors, store, docuware, provider, jwt, telemetry, signIn, webhooks, errors, isAuthError })

export default docuwareAuth
export { admin, connectors, docuware, docuwareAuth, docuwareAuth as 'module.exports', errors, isAuthError, jwt, provider, signIn, store, telemetry, webhooks }
export type { AuthError, AuthErrorCode } from './lib/errors.js'
export type { Clock } from './lib/clock.js'
export type { Account, ConnectionInput, ConnectionPatch, ConnectionStatus, ConnectionView } from './lib/docuware/connection-schema.js'
export type { ConnectionChange, Connections, ConnectionSecrets, ConnectionUpdate } from './lib/docuware/connections.js'
export type { AgendaInstance, AppQueue, JobData, JobHandler, QueueOption } from './lib/docuware/queue/job-queue.js'
export type { DocumentFields, FieldValue, TypedValue } from './lib/docuware/rest/document-fields.js'
export type { DocumentQuery, SearchCondition, SearchValue } from './lib/docuware/rest/document-query.js'
export { readDocuWareDate } from './lib/docuware/rest/docuware-date.js'
export { member } from './lib/docuware/rest/member.js'
export type { AuthInput, ConnectorInput, ConnectorPatch, ConnectorView } from './lib/connectors/connector-schema.js'
export type { DeclaredConnector } from './lib/connectors/connectors-options.js'
export type { QueryParameters } from './lib/connectors/target.js'
export type { BodySource } from './lib/connectors/request-body.js'
export { isDocuWareHttpError } from './lib/docuware/rest/docuware-client.js'
export type {
  CallOptions, DocuWareClient, DocuWareFile, DocuWareHttpError, DocuWareObject, DownloadOptions, LoginTokenOptions, RequestOptions, UploadOptions
} from './lib/docuware/rest/docuware-client.js'
export type { SyncAnswer, SyncRequest, SyncResult } from './lib/docuware/sync.js'
export type { Identity, IdentityStrategy, PartnerModel, StrategyContext } from './lib/jwt/identity.js'
export type { ValidatorInput, ValidatorPatch, ValidatorView } from './lib/jwt/validator-schema.js'
export type { ValidatorChange, ValidatorUpdate } from './lib/jwt/validators.js'
export type { AuditLog, LogQuery, Verification } from './lib/log/audit-log.js'
export type { Head } from './lib/log/heads.js'
export type { Actor, LogEntry, LogFields, LogLevel, Target } from './lib/log/log-entry.js'
export type { AccessToken } from './lib/provider/access-tokens.js'
export type { ClientInput, ClientKey, ClientPatch, ClientView, Lifetimes } from './lib/provider/client-schema.js'
export type { ClientChange, Clients, ClientUpdate, CreatedClient } from './lib/provider/clients.js'
export type { ConsentView } from './lib/provider/consent-kind.js'
export type { ConsentChange } from './lib/provider/consents.js'
export type { Keys, KeyView } from './lib/provider/keys.js'
export type { Owner, OwnerUser } from './lib/provider/owner.js'
export type { ConsentPage } from './lib/provider/pages.js'
export type { ProviderLimits } from './lib/provider/provider-options.js'
export type { Resource } from './lib/provider/resource-model.js'
export type { DataOptions, DataToken } from './lib/provider/scope-data.js'
export type { ScopeInput, ScopePatch, ScopeView } from './lib/provider/scope-schema.js'
export type { ScopeChange, Scopes, ScopeUpdate } from './lib/provider/scopes.js'
export type { Claims } from './lib/sign-in/person.js'
export type { SessionNote } from './lib/sign-in/sessions.js'
export type { Access, Caller, Callers } from './lib/store/access.js'
export type { FailureLimit } from './lib/store/failure-locks.js'
export type { RouteClaimant, RouteHook } from './lib/store/route-auth.js'
export type { Store } from './lib/store/store.js'
export type { ErrorContext, ErrorReporter } from './lib/telemetry/error-reporter.js'
export type { TelemetryChange, TelemetryInput, TelemetryView } from './lib/telemetry/telemetry-settings.js'
export type { SourceInput as WebhookSourceInput, SourcePatch as WebhookSourcePatch, SourceView as WebhookSourceView } from './lib/webhooks/source-schema.js'
export type { SourceSecrets as WebhookSecrets, WebhookSources } from './lib/webhooks/sources.js'
export type { DeclaredSource as DeclaredWebhookSource } from './lib/webhooks/webhook-options.js'
export type { Admin } from './types/admin.js'
export type { AuthorizationUrlOptions, Docuware } from './types/docuware.js'
export type { JwtPayload, JwtValidators, RequireAuthOptions } from './types/jwt.js'
export type { ConnectorsApi } from './types/connectors.js'
export type { SignIn } from './types/sign-in.js'
export type { Telemetry } from './types/telemetry.js'
export type { VerifiedWebhook } from './types/webhooks.js'
export type { ConsentManagement, OAuthProvider } from './types/provider.js'
export type { AdminOptions, ConnectorsOptions, DocuwareOptions, JwtOptions, ProviderOptions, SignInOptions, StoreOptions, TelemetryOptions, WebhooksOptions }
