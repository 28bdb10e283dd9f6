import { errors } from '../../errors.js'
import type { DocumentRequest } from './document-query.js'
import type { DocuWareObject } from './docuware-client.js'
import { asList, asObject, linkOf } from './member.js'
import type { Requests } from './requests.js'

/**
 * The documents of a file cabinet, one page in memory at a time: the first as it was asked for, then what each page names as its next.
 * @throws DWA_DOCUWARE_UNEXPECTED_ANSWER
 */
export async function * documentPages (requests: Requests, cabinet: string, { query, expression, options }: DocumentRequest): AsyncGenerator<DocuWareObject, void, undefined> {
  let answer = expression === null
    ? await requests.send('GET', `${cabinet}/Documents`, { ...options, query })
    : await requests.send('POST', `${cabinet}/Query/DialogExpression`, { ...options, query, json: expression, idempotent: true }) // it only reads
  let anchor: string | null = null // of a circle: Brent's way to find one, in constant memory
  let untilNext = 1
  let length = 1
  let next: string | null
  do {
    const page = asObject(answer, 'a page of documents')
    const items = asList(page, 'Items')
    yield * items
    next = items.length === 0 ? null : linkOf(page, 'next') // after nothing comes nothing: a page's link can not keep us going for ever
    if (next !== null) {
      if (next === anchor) throw new errors.DWA_DOCUWARE_UNEXPECTED_ANSWER('pages that lead back to themselves')
      if (--untilNext === 0) {
        anchor = next
        untilNext = length *= 2
      }
      answer = await requests.send('GET', next, options)
    }
  } while (next !== null)
}
