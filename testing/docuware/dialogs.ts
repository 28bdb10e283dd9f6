import { fieldDefinitions } from './document-fields.js'
import { platformBase } from './documents.js'
import type { FileCabinet } from './file-cabinets.js'
import type { JsonObject } from './platform-answer.js'

const types = ['Search', 'Store', 'ResultList'] as const

/** A cabinet as the platform shows it, whole with its fields. */
export function showCabinet (cabinet: FileCabinet, whole: boolean): JsonObject {
  const path = `${platformBase}/FileCabinets/${cabinet.id}`
  return {
    ...(whole ? { Fields: fieldDefinitions.map(({ name, label, type, system }) => ({ DBFieldName: name, DisplayName: label, DWFieldType: type, SystemField: system, Scope: system ? 'System' : 'User' })) } : {}),
    Color: cabinet.isBasket ? 'Blue' : 'Yellow',
    Name: cabinet.name,
    IsBasket: cabinet.isBasket,
    Usage: 'Normal',
    Default: false,
    Id: cabinet.id,
    Links: [{ rel: 'self', href: path }, { rel: 'dialogs', href: `${path}/Dialogs` }, { rel: 'documents', href: `${path}/Documents` }]
  }
}

/** A cabinet's dialogs, of one type when one is named. */
export function showDialogs (cabinet: FileCabinet, type: string | null): JsonObject[] {
  return types.filter((other) => type === null || other.toLowerCase() === type.toLowerCase()).map((other) => ({ $type: 'DialogInfo', ...showDialogInfo(cabinet, other) }))
}

/** One dialog with its fields; null when there is none with this id. */
export function showDialog (cabinet: FileCabinet, id: string): JsonObject | null {
  const type = types.find((other) => cabinet.dialogId(other) === id.toLowerCase())
  if (type === undefined) return null
  return {
    $type: 'Dialog',
    ...showDialogInfo(cabinet, type),
    Fields: fieldDefinitions.filter(({ system }) => !system).map(({ name, label, type: fieldType }) => ({ DBFieldName: name, DlgLabel: label, DWFieldType: fieldType, Visible: true, ReadOnly: false, AllowFiltering: true })),
    ...(type === 'Search' ? { Query: { Links: [{ rel: 'dialogExpression', href: `${platformBase}/FileCabinets/${cabinet.id}/Query/DialogExpression?dialogId=${cabinet.dialogId(type)}` }] } } : {})
  }
}

function showDialogInfo (cabinet: FileCabinet, type: typeof types[number]): JsonObject {
  const id = cabinet.dialogId(type)
  return {
    Id: id,
    Type: type,
    DisplayName: `${cabinet.name} (${type})`,
    IsDefault: true,
    IsForMobile: false,
    FileCabinetId: cabinet.id,
    Color: 'Yellow',
    Links: [{ rel: 'self', href: `${platformBase}/FileCabinets/${cabinet.id}/Dialogs/${id}` }]
  }
}
