/** The parameters of a callback: a code with its state, or an error that may lack the state. */
export type Callback = { readonly iss: string | null } & (
  { readonly state: string, readonly code: string, readonly denial: '' } |
  { readonly state: string | null, readonly code: null, readonly denial: string })

/** Characters of a parameter: whoever sends more did not come from an authorization server. */
const longestParameter = 4096

/**
 * Reads what an authorization server has sent back (RFC 6749 §4.1.2): a parameter without a value is omitted, none comes twice (§3.1).
 * @param bad the error to throw for what is no callback
 */
export function readCallback (query: URLSearchParams, bad: (problem: string) => Error): Callback {
  const read = (name: string): string | null => {
    const [value = '', ...others] = query.getAll(name)
    if (others.length > 0 || value.length > longestParameter) throw bad(`${name} is repeated or too long`)
    return value === '' ? null : value
  }
  const [state, code, iss, error] = [read('state'), read('code'), read('iss'), read('error')]
  if (error !== null) return { state, code: null, iss, denial: /^[a-z_]{1,64}$/.test(error) ? error : 'unknown_error' }
  if (state === null || code === null) throw bad('code or state is missing')
  return { state, code, iss, denial: '' }
}
