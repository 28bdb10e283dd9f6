import { isAuthError } from '../../errors.js'
import { problemOf } from '../problem.js'
import type { Field } from './fields.js'
import type { ConsoleTexts } from './texts.js'

/** What went wrong, for whoever filled in a form. */
export interface FormProblem {
  /** By field. */
  readonly fields: ReadonlyMap<string, string>
  /** About the whole; null when the fields say it all. */
  readonly whole: string | null
  readonly status: number
}

/** What an error says about the fields of a form, and about the whole of it. @throws the error itself, when it is not the form's fault */
export function formProblemOf (error: unknown, fields: readonly Field[], texts: ConsoleTexts): FormProblem {
  const { status, errors: parts = [], detail, code } = problemOf(error, '')
  if (status !== 400 && status !== 409) throw error
  const named = isAuthError(error, 'DWA_STORE_DUPLICATE') ? [{ path: nameField(fields), message: messageOf(code, detail, texts) }] : parts
  const found = named.map(({ path, message }) => ({ name: fields.find(({ name }) => name === path.replace(/\[\d+\].*$/, ''))?.name, path, message: problemText(message, texts) }))
  const general = found.filter(({ name }) => name === undefined).map(({ path, message }) => path === '' ? message : `${path}: ${message}`)
  return {
    fields: new Map(found.flatMap(({ name, message }): Array<[string, string]> => name === undefined ? [] : [[name, message]])),
    whole: found.length === 0 ? messageOf(code, detail, texts) : general[0] ?? null,
    status
  }
}

/** What an error is in the language of the page; what nobody has translated stays as it is. */
export function messageOf (code: string, detail: string, texts: ConsoleTexts): string {
  return Object.entries(texts.errors).find(([known]) => known === code)?.[1] ?? detail
}

function nameField (fields: readonly Field[]): string {
  return fields.find(({ name }) => name === 'name' || name === 'code')?.name ?? ''
}

/** What checks say, in words for people. */
function problemText (message: string, { problems }: ConsoleTexts): string {
  const ways: ReadonlyArray<readonly [RegExp, (figure: string) => string]> = [
    [/^is required$/, () => problems.required],
    [/^must be one of \[(.*)\]$/, (values) => problems.oneOf(values.replaceAll('"', '').replaceAll(',', ', '))],
    [/^must NOT have fewer than 1 characters$/, () => problems.required],
    [/^must NOT have fewer than (\d+) characters$/, problems.tooShort],
    [/^must NOT have more than (\d+) characters$/, problems.tooLong],
    [/^must be >= (\S+)$/, problems.tooSmall],
    [/^must be <= (\S+)$/, problems.tooLarge],
    [/^must NOT have fewer than 1 items$/, () => problems.tooFew],
    [/^must NOT have duplicate items/, () => problems.twice],
    [/^must match pattern /, () => problems.pattern]
  ]
  for (const [pattern, text] of ways) {
    const found = pattern.exec(message)
    if (found !== null) return text(found[1] ?? '')
  }
  return message
}
