import { errors, isAuthError } from '../../../errors.js'
import { html, type Html } from '../../../http/page.js'
import type { TokenExplanation } from '../../../jwt/token-explanation.js'
import type { ValidatorView } from '../../../jwt/validator-schema.js'
import type { AuditLog } from '../../../log/audit-log.js'
import type { Clock } from '../../../clock.js'
import type { View } from '../../resource.js'
import type { ConsolePage, ConsoleRoute, Visit } from '../console-route.js'
import { hiddenFields } from '../form.js'
import { notice } from '../notices.js'
import { pathOf } from '../record-page.js'
import type { RecordSpecial } from '../record-routes.js'
import { nameOf } from '../record-shape.js'
import { json, Show } from '../show.js'

/** As much of the app as trying a token needs. */
export interface ValidatorParts {
  readonly validators: { list (): Promise<ValidatorView[]> }
  readonly auditLog: Pick<AuditLog, 'append'>
  readonly clock: Pick<Clock, 'now'>
}

export function validatorSpecial (): RecordSpecial {
  return {
    columns: ['name', 'signatureType', 'issuer', 'audience', 'enabled'],
    extras: async (visit, record) => ({ told: [], sections: [tokenForm(visit, record)] })
  }
}

/** Says why a token is refused: to administrators alone, and whoever asks is in the log (security.md 53). */
export function validatorRoutes ({ validators, auditLog, clock }: ValidatorParts): ConsoleRoute[] {
  return [{
    method: 'POST',
    path: '/validators/:id/try',
    roles: ['system'],
    async run (visit) {
      const all = await validators.list()
      const validator = all.find(({ id, name }) => (id ?? name) === visit.key)
      if (validator === undefined) throw new errors.DWA_STORE_NOT_FOUND(`The validator "${visit.key}"`)
      const { id, name } = validator
      const token = (visit.form.get('token') ?? '').trim()
      try {
        const explanation = await visit.explainToken(name, token)
        const { accepted, refusals } = explanation
        await auditLog.append('validator.token_tried', { ...visit.note, target: { type: 'validator', id, name }, details: { accepted: accepted !== null, reasons: refusals.map(({ reason }) => reason) } })
        return resultPage(visit, validator, explanationSections(visit, explanation, all, clock.now()))
      } catch (error) {
        if (!isAuthError(error, 'DWA_JWT_VALIDATOR_NOT_FOUND') && !isAuthError(error, 'DWA_JWT_CONFIGURATION')) throw error
        return resultPage(visit, validator, notice('bad', error.message))
      }
    }
  }]
}

function resultPage (visit: Visit, validator: View, result: Html): ConsolePage {
  const { texts, link } = visit
  return {
    title: `${texts.tryToken}: ${nameOf(validator)}`,
    menu: 'validators',
    body: html`${result}${tokenForm(visit, validator)}<p><a href="${link(pathOf('validators', validator))}">${texts.back(nameOf(validator))}</a></p>`
  }
}

/** The token is pasted, sent in the body, and never shown again. */
function tokenForm ({ texts, link, csrf }: Visit, validator: View): Html {
  return html`<section><h2>${texts.tryToken}</h2><form method="post" action="${link(`${pathOf('validators', validator)}/try`)}">${hiddenFields({ csrf })}<div class="field"><label for="token">${texts.tryTokenField}</label><p class="hint" id="token-hint">${texts.tryTokenHint}</p><textarea id="token" name="token" rows="4" required spellcheck="false" autocomplete="off" aria-describedby="token-hint"></textarea></div><button>${texts.tryTokenButton}</button></form></section>`
}

function explanationSections ({ texts, language }: Visit, { accepted, refusals, header, claims }: TokenExplanation, validators: readonly ValidatorView[], now: number): Html {
  const show = new Show(language)
  const why = (name: string, reason: keyof typeof texts.reasons): Html => {
    const validator = validators.find((one) => one.name === name)
    const compared = validator === undefined ? null : comparison(reason, validator, header ?? {}, claims ?? {})
    const details = compared === null ? '' : texts.expectedFound(compared[0], compared[1] === undefined ? texts.nothing : JSON.stringify(compared[1]))
    const time = reason === 'expired' || reason === 'not_yet_valid' ? html` ${timesOf(claims ?? {}, show)} ${texts.nowIs(show.timeText(new Date(now)))}` : null
    return html`<li><strong><bdi>${name}</bdi></strong>: ${texts.reasons[reason]} ${details}${time}</li>`
  }
  return html`${accepted === null ? notice('bad', texts.tokenRefused) : notice('good', texts.tokenAccepted(accepted.validator))}
${refusals.length === 0 ? null : html`<section><h2>${texts.validatorSays}</h2><ul>${refusals.map(({ validator, reason }) => why(validator, reason))}</ul></section>`}
${accepted === null ? null : html`<section>${show.definitions([['userId', show.value('userId', accepted.userId)], ['partnerId', show.value('partnerId', accepted.partnerId)]])}</section>`}
<section><h2>${texts.tokenSays}</h2>${header === null && claims === null ? html`<p>${texts.tokenUnreadable}</p>` : html`<h3>${texts.tokenHeader}</h3>${json(header)}<h3>${texts.tokenClaims}</h3>${json(claims)}`}</section>`
}

/** What the validator wants, and what the token has. */
function comparison (reason: keyof Visit['texts']['reasons'], validator: ValidatorView, header: Readonly<Record<string, unknown>>, claims: Readonly<Record<string, unknown>>): readonly [string, unknown] | null {
  switch (reason) {
    case 'algorithm': return [validator.signatureType === 'secret' ? validator.secretAlgorithm : validator.publicKeyAlgorithm, header['alg']]
    case 'type': return [validator.typ ?? '', header['typ']]
    case 'issuer': return [validator.issuer, claims['iss']]
    case 'audience': return [validator.audience.join(', '), claims['aud']]
    case 'scope': return [(validator.requiredScopes ?? []).join(' '), claims['scope'] ?? claims['scp']]
    case 'unknown_key': return [validator.publicKeyJwkUri ?? validator.name, header['kid']]
    case 'no_user': return [validator.userIdClaim, claims[validator.userIdClaim]]
    default: return null
  }
}

/** The times of a token, as far as they are some. */
function timesOf (claims: Readonly<Record<string, unknown>>, show: Show): string {
  return ['exp', 'nbf', 'iat'].flatMap((name) => {
    const seconds = claims[name]
    return typeof seconds === 'number' && Math.abs(seconds) < 8.64e12 ? [`${name}: ${show.timeText(new Date(seconds * 1000))}.`] : []
  }).join(' ')
}
