import type { Connection, mongo } from 'mongoose'
import type { AuditLog } from '../log/audit-log.js'
import type { ChangeFeed } from '../log/change-feed.js'
import type { Clock } from '../clock.js'
import type { AuditedDocument, AuditedDocuments } from './audited-documents.js'
import type { DocumentCollection, DocumentIndex } from './document-collection.js'
import type { HandledSecrets } from './handled-secrets.js'
import type { KeyRing } from './key-ring.js'
import type { Lease } from './lease.js'
import type { RecordCollection, RecordKind } from './record-collection.js'
import type { ServerClock } from './server-clock.js'

/** What the other plugins need of the shared database. Decorated as `app.store`. */
export interface Store {
  /** The app's external base URL without a trailing slash, or null when none was given. */
  readonly publicUrl: string | null
  readonly connection: Connection
  readonly keyRing: KeyRing
  /** The secrets that passed through `keyRing` lately, to keep them out of what leaves the process; add those that never do. */
  readonly handledSecrets: HandledSecrets
  readonly clock: Clock
  /** The time of the database, for what several processes decide by it. */
  readonly serverClock: ServerClock
  readonly log: AuditLog
  readonly changes: ChangeFeed
  /** The collection's name with the store's prefix: `validators` → `dwa_validators`. */
  collectionName (name: string): string
  /** Declares a kind of record: its mongoose model, indexes, encrypted fields and audit events. Call while registering. */
  records<Fields extends object> (kind: RecordKind): RecordCollection<Fields>
  /** Declares a collection of documents that are no records, with its indexes. Call while registering. */
  documents<Document extends mongo.Document> (name: string, indexes: readonly DocumentIndex[]): DocumentCollection<Document>
  /** The same for documents whose changes leave an audit entry in them. Call while registering. */
  auditedDocuments<Document extends AuditedDocument> (name: string, indexes: readonly DocumentIndex[]): AuditedDocuments<Document>
  /** Whether MongoDB answered last time it was asked. */
  readonly available: boolean
  /**
   * Runs a database operation.
   * @throws DWA_STORE_UNAVAILABLE at once while MongoDB is known to be away, and in place of any network or server-selection error
   */
  run<T> (operation: () => Promise<T>): Promise<T>
  /**
   * Runs `operation` while no other process, and nothing else in this one, runs one under the same name: for rules that span several records.
   * A dead owner blocks the others for 15 s at most; an operation that takes longer than that is no longer alone.
   * @throws DWA_STORE_UNAVAILABLE
   */
  exclusively<T> (name: string, operation: () => Promise<T>): Promise<T>
  /** Takes the lease of that name for so many milliseconds of the server's time, without waiting; null when somebody has it. @throws DWA_STORE_UNAVAILABLE */
  lease (name: string, milliseconds: number): Promise<Lease | null>
}
