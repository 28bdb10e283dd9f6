import { isAuthError } from '../../../errors.js'
import { html, type Html } from '../../../http/page.js'
import type { AuditLog } from '../../../log/audit-log.js'
import type { Telemetry } from '../../../../types/telemetry.js'
import { telemetrySchema } from '../../../telemetry/telemetry-settings.js'
import { ifMatchOf } from '../../entity-tag.js'
import type { Resource } from '../../resource.js'
import type { ConsolePage, ConsoleReply, ConsoleRoute, Visit } from '../console-route.js'
import { fieldsOf } from '../fields.js'
import { textsOf } from '../field-text.js'
import { clearName, readChange, sentTexts } from '../form-input.js'
import { hiddenFields, type FormState } from '../form.js'
import { formPage, readBefore, writeBefore } from '../form-page.js'
import { titleOf } from '../labels.js'
import { notice, noticeOf } from '../notices.js'
import { operationOf, perform } from '../operation-call.js'
import { formProblemOf } from '../problems.js'

export interface TelemetryParts {
  readonly telemetry: Pick<Telemetry, 'get' | 'version' | 'capture'>
  readonly auditLog: Pick<AuditLog, 'append'>
}

/** An error that nobody made: to see whether errors arrive. */
class TestEvent extends Error {
  override readonly name = 'TestEvent'
}

const fields = fieldsOf(telemetrySchema, (name) => name === 'dsn')
const roles = ['system']

/** The page of the telemetry settings. */
export function settingsRoutes (settings: Resource, { telemetry, auditLog }: TelemetryParts): ConsoleRoute[] {
  async function page (visit: Visit, { state, problem = null, status }: { readonly state?: Pick<FormState, 'texts' | 'errors'>, readonly problem?: string | null, readonly status?: number } = {}): Promise<ConsolePage> {
    const { texts, language } = visit
    const version = await telemetry.version() // before what it is the version of
    const { sdkInstalled, on, sendPii } = await telemetry.get()
    const before = textsOf(fields, { sendPii })
    const form = formPage(visit, {
      title: titleOf(language, 'settings'),
      resource: 'settings',
      action: '/settings',
      back: '',
      button: texts.save,
      fields,
      state: { texts: before, ...state, stored: new Set(on ? ['dsn'] : []) },
      hidden: { etag: ifMatchOf({ id: 'telemetry', version }), before: writeBefore(before) },
      problem,
      before: html`${noticeOf(visit)}${stateSection(visit, sdkInstalled, on)}`,
      ...(status === undefined ? {} : { status })
    })
    return { ...form, body: html`${form.body}${on ? testSection(visit) : null}` }
  }

  async function change (visit: Visit): Promise<ConsoleReply> {
    const { form, texts } = visit
    const typed = sentTexts(fields, form)
    const clears = new Set(fields.filter(({ name }) => form.get(clearName(name)) === 'on').map(({ name }) => name))
    const { input } = readChange(fields, typed, readBefore(form.get('before') ?? '') ?? new Map(), { merged: [], clears })
    try {
      await perform(visit, operationOf(settings, 'updateTelemetrySettings'), { body: input, etag: form.get('etag') })
      return { location: visit.link('/settings?done=saved') }
    } catch (error) {
      if (isAuthError(error, 'DWA_STORE_CONFLICT')) return await page(visit, { state: { texts: typed }, problem: texts.conflict, status: 412 })
      const problem = formProblemOf(error, fields, texts)
      return await page(visit, { state: { texts: typed, errors: problem.fields }, problem: problem.whole, status: problem.status })
    }
  }

  return [
    { method: 'GET', path: '/settings', roles, run: async (visit) => await page(visit) },
    { method: 'POST', path: '/settings', roles, run: change },
    {
      method: 'POST',
      path: '/settings/test',
      roles,
      async run (visit) {
        await auditLog.append('settings.test_sent', { ...visit.note, target: { type: 'settings', id: null, name: 'telemetry' } })
        telemetry.capture(new TestEvent('A test event, sent from the console'))
        return { location: visit.link('/settings?done=sent') }
      }
    }
  ]
}

function stateSection ({ texts }: Visit, sdkInstalled: boolean, on: boolean): Html {
  return html`<section><p class="hint">${texts.telemetryHint}</p><p><span class="badge ${on ? 'good' : ''}">${on ? texts.telemetryOn : texts.telemetryOff}</span></p>${sdkInstalled ? html`<p>${texts.sdkInstalled}</p>` : notice('plain', texts.sdkMissing)}</section>`
}

function testSection ({ texts, link, csrf }: Visit): Html {
  return html`<section><h2>${texts.test}</h2><p class="hint">${texts.testHint}</p><form method="post" action="${link('/settings/test')}">${hiddenFields({ csrf })}<button class="plain">${texts.test}</button></form></section>`
}
