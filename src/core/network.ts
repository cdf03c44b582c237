/**
 * What decides whether two callers are at one place: an IPv4 address, or the /64 of an IPv6 one, which is what a
 * single line is given and can choose from at will. In one form however the address is written.
 */
export function networkOf(ip: string): string {
  const url = `ws://[${ip}]`
  if (!URL.canParse(url)) return ip
  const [before = [], after = []] = new URL(url).hostname
    .slice(1, -1)
    .split('::')
    .map((part) => part.split(':').filter((group) => group !== ''))
  const zeros = Array<string>(8 - before.length - after.length).fill('0')
  return [...before, ...zeros, ...after].slice(0, 4).join(':')
}
