import type { IncomingMessage } from 'node:http';

/** Returns the address of a client, as the trusted proxies in front of the server report it. */
export const clientAddress = (
  { socket, headers }: IncomingMessage,
  trustedProxies: number,
): string => {
  const direct = socket.remoteAddress ?? '';
  if (trustedProxies === 0) return direct;
  const forwarded = String(headers['x-forwarded-for'] ?? '')
    .split(',')
    .map(address => address.trim())
    .filter(address => address !== '');
  return forwarded.at(-Math.min(trustedProxies, forwarded.length)) ?? direct;
};
