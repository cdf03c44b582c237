/**
 * Whether the session `s` was started on this device: from the same address (IPv6: /64) and with the same
 * User-Agent. A condition; `ip` and `userAgent` are expressions.
 */
export const isSameDevice = (ip: string, userAgent: string, session = 's') => `(
  ${session}.user_agent = ${userAgent}
  AND network(set_masklen(${session}.ip, CASE family(${session}.ip) WHEN 6 THEN 64 ELSE 32 END)) >>= ${ip})`
