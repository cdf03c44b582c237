/** How many bits of an IPv6 address a single line is given at the least, and can choose the others from at will. */
const IPV6_LINE_BITS = 64

/**
 * What decides whether two callers are at one place: an IPv4 address, or the network of an IPv6 one. In one form
 * however the address is written, and the same for an IPv4 address that is written as one of IPv6.
 * @param ipv6Bits how long the prefix of an IPv6 network is: from 48 to 64
 */
export function networkOf(ip: string, ipv6Bits = IPV6_LINE_BITS): string {
  const groups = groupsOf(ip)
  if (groups === undefined) return ip
  const inside = mappedIn(groups)
  if (inside !== undefined) return inside
  const last = (groups[3] ?? 0) & (0xffff << (IPV6_LINE_BITS - ipv6Bits))
  return [...groups.slice(0, 3), last].map((group) => group.toString(16)).join(':')
}

/** The IPv4 address that an IPv6 one stands for (RFC 4291, 2.5.5.2), in whichever form it is written. */
export function mappedIpv4(ip: string): string | undefined {
  const groups = groupsOf(ip)
  return groups && mappedIn(groups)
}

function mappedIn(groups: readonly number[]): string | undefined {
  const [high = 0, low = 0] = groups.slice(6)
  if (groups.slice(0, 5).some((group) => group !== 0) || groups[5] !== 0xffff) return undefined
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')
}

/** The eight groups of an IPv6 address; `undefined` for anything else. */
function groupsOf(ip: string): number[] | undefined {
  const url = `ws://[${ip}]`
  if (!URL.canParse(url)) return undefined
  const [before = [], after = []] = new URL(url).hostname
    .slice(1, -1)
    .split('::')
    .map((part) => part.split(':').filter((group) => group !== ''))
  const zeros = Array<string>(8 - before.length - after.length).fill('0')
  return [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16))
}
