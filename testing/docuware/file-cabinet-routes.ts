import { dialogExpression } from './dialog-expression.js'
import { showCabinet, showDialog, showDialogs } from './dialogs.js'
import { showDocument, showFields } from './documents.js'
import { allDocuments, listDocuments, readPage, readSortOrder } from './document-list.js'
import { download } from './download.js'
import type { Answer, Received } from './exchange.js'
import type { FileCabinet } from './file-cabinets.js'
import { member, platformAnswer, platformFailure, readJsonObject } from './platform-answer.js'
import type { Tenant } from './tenant.js'
import { readFields, upload } from './upload.js'

/** `/FileCabinets`. */
export function fileCabinets (tenant: Tenant, received: Received): Answer {
  return platformAnswer(tenant, received, 'FileCabinets', { FileCabinet: tenant.cabinets.list().map((cabinet) => showCabinet(cabinet, false)) })
}

/** What is below `/FileCabinets/{id}`; null when there is no such path. @throws Refusal */
export async function fileCabinet (tenant: Tenant, received: Received, [cabinetId = '', kind, key, ...rest]: readonly string[]): Promise<Answer | null> {
  const cabinet = tenant.cabinets.get(cabinetId)
  if (cabinet === undefined) throw platformFailure(tenant, received, 422, `The file cabinet ${cabinetId} does not exist`)
  switch (kind?.toLowerCase()) {
    case undefined:
      allow(tenant, received, 'GET')
      return platformAnswer(tenant, received, 'FileCabinet', showCabinet(cabinet, true))
    case 'dialogs':
      return rest.length === 0 ? dialogs(tenant, received, cabinet, key) : null
    case 'documents':
      return await documents(tenant, received, cabinet, key, rest)
    case 'query':
      if (key?.toLowerCase() !== 'dialogexpression' || rest.length > 0) return null
      allow(tenant, received, 'GET', 'POST')
      return await dialogExpression(tenant, received, cabinet, `/FileCabinets/${cabinet.id}/Query/DialogExpression`)
    default:
      return null
  }
}

/** @throws Refusal (405) for another method */
export function allow (tenant: Tenant, received: Received, ...methods: string[]): void {
  if (!methods.includes(received.method)) throw platformFailure(tenant, received, 405, `The requested resource does not support http method '${received.method}'.`, { allow: methods.join(', ') })
}

function dialogs (tenant: Tenant, received: Received, cabinet: FileCabinet, id: string | undefined): Answer {
  allow(tenant, received, 'GET')
  if (id === undefined) return platformAnswer(tenant, received, 'DialogInfos', { Dialog: showDialogs(cabinet, received.url.searchParams.get('dialogType') ?? received.url.searchParams.get('DialogType')) })
  const dialog = showDialog(cabinet, id)
  if (dialog === null) throw platformFailure(tenant, received, 404, `The dialog ${id} does not exist`)
  return platformAnswer(tenant, received, 'Dialog', dialog)
}

async function documents (tenant: Tenant, received: Received, cabinet: FileCabinet, key: string | undefined, [kind, ...rest]: readonly string[]): Promise<Answer | null> {
  if (rest.length > 0) return null
  if (key === undefined) return await documentList(tenant, received, cabinet)
  const id = /^\d+$/.test(key) ? Number(key) : NaN
  if (!cabinet.has(id)) throw platformFailure(tenant, received, 404, `The document ${key} does not exist`)
  switch (kind?.toLowerCase()) {
    case undefined:
      allow(tenant, received, 'GET')
      return platformAnswer(tenant, received, 'Document', showDocument(tenant, cabinet, id, true))
    case 'fields':
      allow(tenant, received, 'GET', 'PUT')
      if (received.method === 'PUT') cabinet.change(id, readFields(tenant, received, member(await readJsonObject(tenant, received), 'Field')))
      return platformAnswer(tenant, received, 'DocumentIndexFields', { Field: showFields(cabinet.values(id)) })
    case 'filedownload':
      allow(tenant, received, 'GET')
      return download(tenant, received, cabinet, id)
    default:
      return null
  }
}

async function documentList (tenant: Tenant, received: Received, cabinet: FileCabinet): Promise<Answer> {
  allow(tenant, received, 'GET', 'POST')
  if (received.method === 'POST') return await upload(tenant, received, cabinet)
  const query = Object.fromEntries(received.url.searchParams)
  const sortOrder = query['sortOrder'] ?? ''
  const page = readPage(tenant, received, query)
  const { fields } = query
  const repeated = { ...(fields === undefined ? {} : { fields }), ...(sortOrder === '' ? {} : { sortOrder }) }
  return listDocuments(tenant, received, cabinet, allDocuments(cabinet, page, readSortOrder(tenant, received, sortOrder)), page, `/FileCabinets/${cabinet.id}/Documents`, repeated)
}
