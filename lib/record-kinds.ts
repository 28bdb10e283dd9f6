import { connectionKind } from './docuware/connection-kind.js'
import { declaredGrantKind } from './connectors/connector-grants.js'
import { connectorKind } from './connectors/connector-kind.js'
import { validatorKind } from './jwt/validator-kind.js'
import { clientKind } from './provider/client-kind.js'
import { consentKind } from './provider/consent-kind.js'
import { scopeKind } from './provider/scope-kind.js'
import type { RecordKind } from './store/record-collection.js'
import { settingsKind } from './telemetry/settings-kind.js'
import { sourceKind } from './webhooks/source-kind.js'

/** Every kind of record that the package keeps: what `rotate-keys --data-key` walks through. */
export const recordKinds: readonly RecordKind[] = [validatorKind, connectionKind, clientKind, scopeKind, consentKind, settingsKind, sourceKind, connectorKind, declaredGrantKind]
