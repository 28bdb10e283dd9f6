import { html, type Html } from '../../http/page.js'
import type { ConsolePage, Visit } from './console-route.js'
import type { Field } from './fields.js'
import type { FieldTexts } from './field-text.js'
import { hiddenFields, renderFields, type FormState } from './form.js'
import { labelOf } from './labels.js'
import { notice } from './notices.js'

export interface FormPage {
  readonly title: string
  readonly resource: string
  /** Of the form, and where it leads when nothing is to be done, below the console. */
  readonly action: string
  readonly back: string
  readonly button: string
  readonly fields: readonly Field[]
  readonly state: FormState
  /** What the form sends beside that. */
  readonly hidden?: Readonly<Record<string, string>>
  /** What is wrong with the whole of it. */
  readonly problem?: string | null
  readonly before?: Html
  readonly status?: number
}

/** A form for one record. */
export function formPage ({ texts, language, link, csrf }: Visit, { title, resource, action, back, button, fields, state, hidden = {}, problem = null, before, status }: FormPage): ConsolePage {
  const wrong = [...state.errors ?? []]
  return {
    title,
    menu: resource,
    ...(status === undefined ? {} : { status }),
    body: html`${problem === null ? null : notice('bad', problem)}${wrong.length === 0
  ? null
  : html`<div class="notice bad" role="alert"><p>${texts.formErrors}</p><ul>${wrong.map(([name, text]) => html`<li><a href="#f-${name.replaceAll('.', '-')}">${labelOf(language, name)}</a>: ${text}</li>`)}</ul></div>`}${before ?? null}
<form method="post" action="${link(action)}">${hiddenFields({ csrf, ...hidden })}${renderFields(fields, state, { language, texts, resource })}<div class="actions"><button>${button}</button><a class="button plain" href="${link(back)}">${texts.cancel}</a></div></form>`
  }
}

/** What a form carries of what it showed first, to tell what somebody changed in it: no secrets. */
export function writeBefore (texts: FieldTexts): string {
  return JSON.stringify(Object.fromEntries(texts))
}

/** @returns null for what a form of ours never sends */
export function readBefore (text: string): FieldTexts | null {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
    return new Map(Object.entries(value).map(([name, one]) => [name, String(one)]))
  } catch {
    return null // somebody else's form
  }
}
