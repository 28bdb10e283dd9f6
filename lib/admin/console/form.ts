import { Html, html } from '../../http/page.js'
import type { PageLanguage } from '../../http/page-language.js'
import type { Field } from './fields.js'
import type { FieldTexts } from './field-text.js'
import { clearName } from './form-input.js'
import { helpOf, labelOf } from './labels.js'
import type { ConsoleTexts } from './texts.js'

/** What a form shows. */
export interface FormState {
  readonly texts: FieldTexts
  /** What is wrong, by field. */
  readonly errors?: ReadonlyMap<string, string>
  /** What is to be known of a field beside that. */
  readonly notes?: ReadonlyMap<string, string>
  /** The secrets that are stored. */
  readonly stored?: ReadonlySet<string>
}

export interface FormContext {
  readonly language: PageLanguage
  readonly texts: ConsoleTexts
  /** The kind of record, for what its fields are for. */
  readonly resource: string
}

const on = (name: string, is: boolean): Html | null => is ? new Html(` ${name}`) : null

/** Fields with what is in them; those of a group together. */
export function renderFields (fields: readonly Field[], state: FormState, context: FormContext): Html {
  const groups = new Map<string, Field[]>()
  for (const field of fields) {
    const group = field.name.includes('.') ? field.name.slice(0, field.name.lastIndexOf('.')) : ''
    groups.set(group, [...groups.get(group) ?? [], field])
  }
  return html`${[...groups].map(([group, members]) => {
    const controls = html`${members.map((field) => renderField(field, state, context))}`
    return group === '' ? controls : html`<fieldset><legend>${labelOf(context.language, group)}</legend>${hint(helpOf(context.language, context.resource, group, undefined))}${controls}</fieldset>`
  })}`
}

function renderField (field: Field, { texts: values, errors, notes, stored }: FormState, { language, texts, resource }: FormContext): Html {
  const { name, kind, required } = field
  const id = `f-${name.replaceAll('.', '-')}`
  const label = labelOf(language, name)
  const error = errors?.get(name)
  const isStored = stored?.has(name) === true
  const secretHint = kind === 'secret' ? (isStored ? texts.keepSecret : texts.newSecret) : ''
  const hints = [helpOf(language, resource, name, field.description), kind === 'lines' ? texts.listHint : kind === 'json' ? texts.jsonHint : secretHint, notes?.get(name) ?? ''].filter((text) => text !== '')
  const described = [...hints.length > 0 ? [`${id}-hint`] : [], ...error === undefined ? [] : [`${id}-wrong`]].join(' ')
  const attributes = html` id="${id}" name="${name}"${described === '' ? null : html` aria-describedby="${described}"`}${on('aria-invalid="true"', error !== undefined)}`
  const value = values.get(name) ?? ''
  const explained = html`${hints.length === 0 ? null : html`<div class="hint" id="${id}-hint">${hints.map((text) => html`<div>${text}</div>`)}</div>`}${error === undefined ? null : html`<p class="wrong" id="${id}-wrong">${error}</p>`}`
  if (kind === 'flag') return html`<div class="field"><div class="check"><input type="checkbox"${attributes}${on('checked', value === 'on')}><label for="${id}">${label}</label></div>${explained}</div>`
  const isRequired = required && !isStored
  return html`<div class="field"><label for="${id}">${label}${isRequired ? html` <span class="hint">(${texts.required})</span>` : null}</label>${explained}${control(field, attributes, value, isRequired, texts)}
${isStored && field.clearable ? html`<div class="check"><input type="checkbox" id="${id}-clear" name="${clearName(name)}"><label for="${id}-clear">${texts.clearSecret(label)}</label></div>` : null}</div>
`
}

function control (field: Field, attributes: Html, value: string, required: boolean, texts: ConsoleTexts): Html {
  const { kind, choices, standard, minimum, maximum, maxLength } = field
  const needed = on('required', required)
  const placeholder = standard === undefined || typeof standard === 'object' ? null : html` placeholder="${texts.standard(String(standard))}"`
  switch (kind) {
    case 'secret': return html`<input type="password" autocomplete="new-password"${attributes}${needed}>`
    case 'choice':
    case 'either': {
      const none = required ? texts.choose : typeof standard === 'string' ? texts.standard(standard) : texts.asDefault
      const offered = kind === 'choice' ? choices.map((choice) => [choice, choice] as const) : [['true', texts.yes], ['false', texts.no]] as const
      return html`<select${attributes}${needed}><option value="">${none}</option>${offered.map(([one, text]) => html`<option value="${one}"${on('selected', one === value)}>${text}</option>`)}</select>`
    }
    case 'number': return html`<input type="number" step="any"${attributes}${needed}${placeholder}${minimum === undefined ? null : html` min="${minimum}"`}${maximum === undefined ? null : html` max="${maximum}"`} value="${value}">`
    case 'area':
    case 'lines':
    case 'json': return html`<textarea rows="${Math.min(12, Math.max(3, value.split('\n').length + 1))}" spellcheck="false"${attributes}${needed}>
${value}</textarea>`
    default: return html`<input type="text" autocomplete="off"${attributes}${needed}${placeholder}${maxLength === undefined ? null : html` maxlength="${maxLength}"`} value="${value}">`
  }
}

/** What a form sends beside what somebody typed. */
export function hiddenFields (fields: Readonly<Record<string, string>>): Html {
  return html`${Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}`
}

function hint (text: string): Html | null {
  return text === '' ? null : html`<p class="hint">${text}</p>`
}
