import { isIPv6 } from 'node:net'

/**
 * What counts as one address where requests are counted: an IPv6 host has a network of its own (RFC 6177), so its first 64 bits stand for all of it;
 * an IPv4 address is itself, also where a dual-stack socket writes it as IPv6.
 */
export function networkOf (address: string): string {
  if (!address.includes(':')) return address
  const plain = address.replace(/%.*$/s, '')
  if (!isIPv6(plain)) return address
  const groups = groupsOf(plain)
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) return groups.slice(6).flatMap((group) => [group >> 8, group & 255]).join('.')
  return `${groups.slice(0, 4).map((group) => group.toString(16)).join(':')}::/64`
}

/** The eight groups of a valid IPv6 address. */
function groupsOf (address: string): number[] {
  const [head = [], tail = []] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::').map((half) => half.split(':').filter((group) => group !== '').map((group) => parseInt(group, 16)))
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail]
}
