/** Characters. Longer texts are not remembered. */
const longest = 100

/** `make`, with its results for the first `max` short texts kept: for names, of which there are few. */
export function rememberFirst<Made> (make: (text: string) => Made, max = 500): (text: string) => Made {
  const remembered = new Map<string, Made>()
  return (text) => {
    const known = remembered.get(text)
    if (known !== undefined) return known
    const made = make(text)
    if (remembered.size < max && text.length <= longest) remembered.set(text, made)
    return made
  }
}
