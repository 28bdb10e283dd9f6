import { connectionKind } from './docuware/connection-kind.js'
import { validatorKind } from './jwt/validator-kind.js'
import type { RecordKind } from './store/record-collection.js'
import { settingsKind } from './telemetry/settings-kind.js'

/** Every kind of record that the package keeps: what `rotate-keys --data-key` walks through. */
export const recordKinds: readonly RecordKind[] = [validatorKind, connectionKind, settingsKind]
