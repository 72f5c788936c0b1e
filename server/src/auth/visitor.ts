import { isIPv4, isIPv6 } from 'node:net';

import ipaddr from 'ipaddr.js';

/** What everything counts as that is not an address, such as a header that a proxy did not check. */
const UNKNOWN = 'unknown';

/**
 * Returns what limits by address count as one visitor: an IPv4 address, or the network of an IPv6 address,
 * because a visitor chooses among all addresses of a network.
 */
export const visitorOf = (address: string, ipv6Prefix: number): string => {
  if (isIPv4(address)) return address;
  if (!isIPv6(address)) return UNKNOWN;
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  return ipaddr.IPv6.networkAddressFromCIDR(
    `${parsed.toNormalizedString()}/${ipv6Prefix}`,
  ).toString();
};
