/** The value of a cookie, of a Cookie header. */
export function cookieOf (header: string | undefined, name: string): string | undefined {
  return header?.split('; ').find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1)
}
