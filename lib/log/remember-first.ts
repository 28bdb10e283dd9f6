/** Characters. Longer texts are not remembered. */
const longest = 100

/** The same function, with what it made of the first `max` texts remembered: for names, of which there are few. */
export function rememberFirst<Made> (max: number, make: (text: string) => Made): (text: string) => Made {
  const remembered = new Map<string, Made>()
  return (text) => {
    const known = remembered.get(text)
    if (known !== undefined) return known
    const made = make(text)
    if (remembered.size < max && text.length <= longest) remembered.set(text, made)
    return made
  }
}
